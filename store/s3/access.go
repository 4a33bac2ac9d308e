package s3

import (
	"context"

	"github.com/coffer-secrets/coffer/index"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/admin"
	"github.com/coffer-secrets/coffer/store/internal/bucket/s3bucket"
	"github.com/coffer-secrets/coffer/store/internal/engine"
	"github.com/coffer-secrets/coffer/store/internal/engine/inspect"
	"github.com/coffer-secrets/coffer/store/internal/sharing"
)

// secrets is the engine's store with what S3 can do beside it.
type secrets struct {
	*engine.Engine
	*inspect.Inspector
	bucket s3bucket.Whole
	admin.Sharer
	admin.Prober
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
	all, err := s.bucket.Inquire(ctx, service+"/inquiry", "")
	if err != nil {
		err = engine.Fail("ask the server", store.ID{Service: service}, err)
	}
	return all, err
}

func (o Options) secrets(b s3bucket.Whole, e *engine.Engine) *secrets {
	return &secrets{
		Engine: e, Inspector: inspect.New(e), bucket: b,
		Sharer: sharing.Shares{Bucket: b, Read: e.Read, Vouch: o.vouch, Now: e.Now},
		Prober: permissions{b},
	}
}

// permissions is a [admin.Prober].
type permissions struct{ bucket s3bucket.Whole }

// Try implements [admin.Prober].
func (p permissions) Try(ctx context.Context, service string, actions []string) ([]admin.Trial, error) {
	trials, err := p.bucket.Try(ctx, service, service+"/"+index.FileName(""), "", actions)
	if err != nil {
		return nil, engine.Fail("try permissions", store.ID{Service: service}, err)
	}
	out := make([]admin.Trial, len(actions))
	for i, action := range actions {
		out[i] = trials[action]
	}
	return out, nil
}
