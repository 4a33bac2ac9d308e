// Package survey finds out which kind of store keeps its secrets in a bucket, before another one makes a key or a
// setting there: their objects have the same names, so neither could read what the other writes.
package survey

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"path"
	"strings"

	"github.com/coffer-secrets/coffer/index"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
	"github.com/coffer-secrets/coffer/store/internal/seal"
)

// What a survey costs at most.
const (
	maxListed = 5000 // names, which S3 lists with five requests
	maxRead   = 20   // beginnings of indexes; where a kind of store has its own bucket, the first one tells
)

// Storage has the objects as they are stored.
type Storage interface {
	bucket.Bucket
	bucket.HeaderReader
}

// Store is the one that is configured.
type Store struct {
	Bucket string // its name, for errors
	store.BackendFormat
}

// Survey collects from a listing what tells the kind of store. The zero Survey has seen nothing.
type Survey struct {
	Teams   bool // there is a key of a team
	indexes []string
	secrets map[string]bool // the services with an object besides indexes
}

// Note takes the name of an object from a listing.
func (s *Survey) Note(name string) {
	if s.secrets == nil {
		s.secrets = map[string]bool{}
	}
	service, base := path.Split(name)
	switch {
	case strings.HasPrefix(name, seal.KeysPrefix):
		s.Teams = true
	case service == "":
	case index.Is(base, true), index.Is(base, false):
		if len(s.indexes) < maxListed {
			s.indexes = append(s.indexes, name)
		}
	case strings.HasSuffix(base, ".json") && len(s.secrets) < maxListed:
		s.secrets[service] = true
	}
}

// Other lists the beginning of a bucket, and returns a [*store.OtherBackendError] if secrets of another kind than own
// are seen in it, and none of its own. It returns nil if nothing tells, as without the permission to list or to read.
func Other(ctx context.Context, b Storage, own Store) error {
	var s Survey
	err := each(b.Walk(ctx, ""), s.Note)
	switch {
	case errors.Is(err, bucket.ErrDenied):
		return nil
	case err != nil:
		return err
	}
	return s.Other(ctx, b, own)
}

// each calls do with the first names of a listing.
func each(listed iter.Seq2[bucket.Info, error], do func(string)) error {
	n := 0
	for info, err := range listed {
		if n++; err != nil || n > maxListed {
			return err
		}
		do(info.Name)
	}
	return nil
}

// Other is the function of that name for a bucket that was listed.
func (s *Survey) Other(ctx context.Context, b Storage, own Store) error {
	if s.Teams && own.Format == bucket.FormatTeam {
		return nil
	}
	var in []string // of services with secrets: an index alone may be left of a store that moved
	for _, name := range s.indexes {
		if service, _ := path.Split(name); s.secrets[service] {
			in = append(in, name)
		}
	}
	var other error
	reads := min(len(in), maxRead)
	for i := range reads {
		name := in[i*(len(in)-1)/max(1, reads-1)] // from everywhere in the listing
		mine, err := look(ctx, b, name, own)
		var foreign *store.OtherBackendError
		if mine || err != nil && !errors.As(err, &foreign) {
			return err
		}
		other = cmp.Or(other, err)
	}
	return other
}

// IsOther reads the beginning of one index, and returns a [*store.OtherBackendError] if it is of another kind than own.
func IsOther(ctx context.Context, b Storage, name string, own Store) error {
	_, err := look(ctx, b, name, own)
	return err
}

// look reads the beginning of an index. mine says that it is of the kind own; the error is a
// [*store.OtherBackendError] if it is of another. Without either, nothing tells.
func look(ctx context.Context, b Storage, name string, own Store) (mine bool, err error) {
	have, err := formatOf(ctx, b, name)
	switch {
	case err != nil || have.Format == "":
		return false, err
	case have == own.BackendFormat:
		return true, nil
	}
	return false, &store.OtherBackendError{Bucket: own.Bucket, Object: name, Have: have, Want: own.BackendFormat}
}

// formatOf returns by which kind of store an index was written; the zero value if nothing tells.
func formatOf(ctx context.Context, b Storage, name string) (store.BackendFormat, error) {
	_, header, err := b.ReadHeader(ctx, name, seal.HeaderSize)
	format := bucket.FormatOf(header)
	if errors.Is(err, bucket.ErrDenied) { // perhaps only by the key of the server, and that tells as well
		var info bucket.Info
		info, err = b.Head(ctx, name)
		if strings.HasPrefix(info.Seal.Method, "aws:kms") {
			format = bucket.FormatJSON
		}
	}
	for _, silent := range []error{bucket.ErrDenied, bucket.ErrNotFound, bucket.ErrKey, bucket.ErrRefused} {
		if errors.Is(err, silent) {
			return store.BackendFormat{}, nil
		}
	}
	if err != nil || format == "" {
		return store.BackendFormat{}, err
	}
	return store.BackendFormat{Format: format, Aliases: index.Is(path.Base(name), false)}, nil
}
