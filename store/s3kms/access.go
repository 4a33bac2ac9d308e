package s3kms

import (
	"context"
	"strings"
	"unicode"

	"github.com/coffer-secrets/coffer/index"
	"github.com/coffer-secrets/coffer/internal/awsconf"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/admin"
	"github.com/coffer-secrets/coffer/store/internal/bucket/s3bucket"
	"github.com/coffer-secrets/coffer/store/internal/engine"
	"github.com/coffer-secrets/coffer/store/internal/engine/inspect"
	"github.com/coffer-secrets/coffer/store/internal/sharing"
)

// secrets is the engine's store with what S3 and KMS can do beside it.
type secrets struct {
	*engine.Engine
	*inspect.Inspector
	bucket s3bucket.Whole
	admin.Sharer
	admin.Prober
	admin.KeyDescriber
}

// Conditions implements [admin.ConditionProber].
func (s *secrets) Conditions(ctx context.Context, service string, ask bool) (admin.Conditions, error) {
	c, err := s3bucket.Conditions(ctx, s.Bucket, service+"/conditions", ask)
	if err != nil {
		err = engine.Fail("ask about conditions", store.ID{Service: service}, err)
	}
	return c, err
}

// Inquire implements [admin.Inquirer].
func (s *secrets) Inquire(ctx context.Context, service string) ([]admin.Inquiry, error) {
	all, err := s.bucket.Inquire(ctx, service+"/inquiry", s.Alias)
	if err != nil {
		err = engine.Fail("ask the server", store.ID{Service: service}, err)
	}
	return all, err
}

func (o Options) secrets(b s3bucket.Whole, e *engine.Engine, keys *awsconf.Keys) *secrets {
	return &secrets{
		Engine: e, Inspector: inspect.New(e), bucket: b,
		Sharer: sharing.Shares{Bucket: b, Read: e.Read, Vouch: o.vouch, Pinned: e.PinnedKey, Now: e.Now},
		Prober: &permissions{bucket: b, keys: keys, alias: e.Alias, names: o.KeyNames},

		KeyDescriber: describer{keys, o.KeyNames},
	}
}

// describer is a [admin.KeyDescriber].
type describer struct {
	keys  *awsconf.Keys
	names map[string]string
}

// DescribeKey implements [admin.KeyDescriber].
func (d describer) DescribeKey(ctx context.Context, name string) (admin.Key, error) {
	if other, ok := d.names[name]; ok {
		name = other
	}
	info, found, err := d.keys.Find(ctx, name)
	switch {
	case err != nil:
		return admin.Key{}, &store.Error{Op: "describe key", Err: err}
	case !found:
		return admin.Key{State: "no such key"}, nil
	}
	return admin.Key{ID: info.ARN, State: words(info.State)}, nil
}

// words makes "pending deletion" of "PendingDeletion".
func words(state string) string {
	var out strings.Builder
	for i, r := range state {
		if unicode.IsUpper(r) && i > 0 {
			out.WriteByte(' ')
		}
		out.WriteRune(unicode.ToLower(r))
	}
	return out.String()
}

// permissions is a [admin.Prober].
type permissions struct {
	bucket s3bucket.Whole
	keys   *awsconf.Keys
	alias  string
	names  map[string]string
}

// Try implements [admin.Prober].
func (p *permissions) Try(ctx context.Context, service string, actions []string) ([]admin.Trial, error) {
	trials, err := p.bucket.Try(ctx, service, service+"/"+index.FileName(p.alias), p.alias, actions)
	if err != nil {
		return nil, engine.Fail("try permissions", store.ID{Service: service}, err)
	}
	out := make([]admin.Trial, len(actions))
	for i, action := range actions {
		if action == "kms:DescribeKey" {
			out[i] = p.describe(ctx)
		} else {
			out[i] = trials[action]
		}
	}
	return out, nil
}

func (p *permissions) describe(ctx context.Context) admin.Trial {
	name := p.alias
	if other, ok := p.names[name]; ok {
		name = other
	}
	ctx, cancel := context.WithTimeout(ctx, describeTimeout)
	defer cancel()
	_, err := p.keys.Describe(ctx, name)
	return s3bucket.Judged("kms:DescribeKey", err)
}
