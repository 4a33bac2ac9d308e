// Package sharing creates links to single values. Each share is an object of its own, named
//
//	__share/<service>/<end, as 20261122T104203Z>-<128 random bits>
//
// so that a listing shows which shares have expired, and a permission for one service includes its
// shares.
package sharing

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"sort"
	"strings"
	"time"

	"github.com/coffer-secrets/coffer/internal/waiting"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/admin"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
	"github.com/coffer-secrets/coffer/store/internal/engine"
)

// Bucket is the part of a storage that shares need.
type Bucket interface {
	Head(ctx context.Context, name string) (bucket.Info, error)
	Delete(ctx context.Context, name string, cond bucket.If) error
	Walk(ctx context.Context, prefix string) iter.Seq2[bucket.Info, error]

	// PutText stores text that a browser can show as a new object, encrypted with a key alias or
	// key. Errors as for [bucket.Bucket.Put].
	PutText(ctx context.Context, name, text, key string) (bucket.Info, error)
	// Link returns a URL that reads the object without credentials, and is valid at most for lasts.
	Link(ctx context.Context, name string, lasts time.Duration) (Link, error)
}

// Link is a signed URL.
type Link struct {
	URL         string
	Session     bool      // signed with a session token
	SessionEnds time.Time // zero if that is not known
}

// Shares implements [admin.Sharer]. All fields but Pinned are required.
type Shares struct {
	Bucket Bucket
	Read   func(ctx context.Context, id store.ID, version int) (store.Secret, error)
	Vouch  func(object string, s bucket.Seal) error
	Pinned func(ctx context.Context, service, alias string) (keyID string, err error) // like [engine.Options.PinnedKey]
	Now    func() time.Time
}

var _ admin.Sharer = Shares{}

const (
	timestamp = "20060102T150405Z"
	idSize    = 16 // random bytes
)

// Share implements [admin.Sharer]. It also deletes expired shares of the same service.
func (s Shares) Share(ctx context.Context, id store.ID, lasts time.Duration) (admin.Share, error) {
	share, err := s.share(ctx, id, lasts)
	if err == nil {
		s.sweep(ctx, id.Service)
	}
	return share, engine.Fail("share", id, err)
}

func (s Shares) share(ctx context.Context, id store.ID, lasts time.Duration) (admin.Share, error) {
	if lasts < time.Second || lasts > admin.MaxShare {
		return admin.Share{}, fmt.Errorf("%w: a link must be valid for between one second and seven days", store.ErrInvalid)
	}
	secret, err := s.Read(ctx, id, store.Latest)
	if err != nil {
		return admin.Share{}, err
	}
	key, err := s.keyOf(ctx, secret.Meta)
	if err != nil {
		return admin.Share{}, err
	}
	ends := s.Now().Add(lasts).UTC()
	name := admin.SharePrefix + id.Service + "/" + ends.Format(timestamp) + "-" + random()
	link, err := s.Bucket.Link(ctx, name, lasts)
	if err != nil {
		return admin.Share{}, err
	}
	put, err := s.Bucket.PutText(ctx, name, secret.Value.Reveal(), key)
	if err == nil {
		err = s.Vouch(name, put.Seal)
	}
	if err != nil {
		return admin.Share{}, s.takeBack(ctx, name, err)
	}
	return admin.Share{
		Object: name, Link: store.NewValue(link.URL), Ends: ends,
		Session: link.Session, SessionEnds: link.SessionEnds,
	}, nil
}

// keyOf returns the key that encrypts the secret, whatever alias is configured: a caller without
// permission to read the secret must not be able to read its share either.
func (s Shares) keyOf(ctx context.Context, m store.Meta) (string, error) {
	if m.KeyAlias != "" {
		if s.Pinned != nil {
			if _, err := s.Pinned(ctx, m.ID.Service, m.KeyAlias); err != nil {
				return "", err
			}
		}
		return m.KeyAlias, nil
	}
	info, err := s.Bucket.Head(ctx, m.ID.Object()) // written by chamber, which stores no alias in it
	return info.Seal.KeyID, err
}

// takeBack deletes what a failed put may have stored.
func (s Shares) takeBack(ctx context.Context, name string, why error) error {
	if errors.Is(why, bucket.ErrDenied) {
		return why
	}
	if err := s.Bucket.Delete(waiting.Beyond(ctx), name, bucket.If{}); err != nil {
		return fmt.Errorf("%w; %s may be left behind: %w", why, name, err)
	}
	return why
}

// sweep deletes expired shares of a service. It ignores errors, for example a missing permission:
// the bucket's lifecycle rule deletes them too.
func (s Shares) sweep(ctx context.Context, service string) {
	shares, err := s.Shares(ctx, service)
	if err != nil {
		return
	}
	for _, share := range shares {
		if share.Ends.Before(s.Now()) && s.Bucket.Delete(ctx, share.Object, bucket.If{}) != nil {
			return
		}
	}
}

// Shares implements [admin.Sharer].
func (s Shares) Shares(ctx context.Context, service string) ([]admin.Share, error) {
	prefix := admin.SharePrefix
	if service != "" {
		prefix += service + "/"
	}
	var shares []admin.Share
	for info, err := range s.Bucket.Walk(ctx, prefix) {
		if err != nil {
			return nil, engine.Fail("list shares", store.ID{Service: service}, err)
		}
		of, ends, ok := parse(info.Name)
		if ok && (service == "" || of == service) {
			shares = append(shares, admin.Share{Object: info.Name, Ends: ends})
		}
	}
	sort.SliceStable(shares, func(i, j int) bool { return shares[i].Ends.Before(shares[j].Ends) })
	return shares, nil
}

// Revoke implements [admin.Sharer].
func (s Shares) Revoke(ctx context.Context, object string) error {
	service, _, ok := parse(object)
	id := store.ID{Service: service}
	if !ok {
		return engine.Fail("revoke", id, fmt.Errorf("%w: %q is not the name of a share", store.ErrInvalid, object))
	}
	_, err := s.Bucket.Head(ctx, object)
	switch {
	case errors.Is(err, bucket.ErrNotFound):
		return engine.Fail("revoke", id, &store.NotFoundError{What: "share"})
	case err != nil && !errors.Is(err, bucket.ErrDenied): // a caller without permission to read it may have permission to delete it
		return engine.Fail("revoke", id, err)
	}
	return engine.Fail("revoke", id, s.Bucket.Delete(ctx, object, bucket.If{}))
}

// parse returns the service of a share and when it ends. ok is false if object is not a share.
func parse(object string) (service string, ends time.Time, ok bool) {
	path, ok := strings.CutPrefix(object, admin.SharePrefix)
	at := strings.LastIndexByte(path, '/')
	if !ok || at < 0 || store.CheckService(path[:at]) != nil {
		return "", time.Time{}, false
	}
	ending, id, _ := strings.Cut(path[at+1:], "-")
	if len(ending) != len(timestamp) || len(id) != 2*idSize || strings.Trim(id, "0123456789abcdef") != "" {
		return "", time.Time{}, false
	}
	ends, err := time.Parse(timestamp, ending)
	return path[:at], ends, err == nil
}

func random() string {
	var b [idSize]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand stops the program instead
	return hex.EncodeToString(b[:])
}
