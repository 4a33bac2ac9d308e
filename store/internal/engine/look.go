package engine

import (
	"context"
	"errors"
	"iter"
	"strings"

	"github.com/coffer-secrets/coffer/index"
	"github.com/coffer-secrets/coffer/internal/pace"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
)

// lookOptions say what a view must have.
type lookOptions struct {
	all bool // every index that is listed (R2)
	// narrow is called if the service has more than one page. It reports whether the caller needs only the names
	// of the indexes, and no list of the secrets.
	narrow func() bool
}

// look returns a view of a service. It lists the service and reads the index of the configured
// alias concurrently (R1). If all is true, it reads all other indexes in the listing (R2), without
// waiting for the configured one: to open an index may take a request of its own.
func (e *Engine) look(ctx context.Context, service string, o lookOptions) (*View, error) {
	v := &View{Service: service, Indexes: map[string]*IndexState{}}
	if e.ReadOnly {
		err := e.list(ctx, v, func(ctx context.Context) ([]string, bool) {
			_ = e.readIndexes(ctx, v) // an error comes again below
			return v.names(), false
		})
		if errors.Is(err, bucket.ErrDenied) {
			v.denied, err = err, nil
		}
		if err != nil {
			return nil, err
		}
		return v, e.readIndexes(ctx, v)
	}
	own := index.FileName(e.Alias)
	var ownState *IndexState
	read := make(chan struct{}) // closed when ownState is known
	err := pace.All(ctx,
		func(ctx context.Context) (err error) {
			defer close(read)
			ownState, err = e.ReadIndex(ctx, service, own)
			return err
		},
		func(ctx context.Context) error {
			err := e.list(ctx, v, func(ctx context.Context) ([]string, bool) {
				if <-read; ownState == nil {
					return nil, false // it failed, which has ended the context
				}
				return e.cuts(ctx, v, ownState, o)
			})
			switch {
			case errors.Is(err, bucket.ErrDenied):
				v.denied = err
				return nil
			case err != nil || !o.all:
				return err
			}
			return e.readIndexes(ctx, v, own)
		},
	)
	if err != nil {
		return nil, err
	}
	if _, listed := v.Files[own]; listed && ownState.Missing {
		// It was created between the two requests.
		var err error
		if ownState, err = e.ReadIndex(ctx, service, own); err != nil {
			return nil, err
		}
	} else if v.denied == nil && !listed && ownState.Denied != nil {
		// Without permission to list, S3 answers 403 for a missing object. The listing was
		// allowed and shows that the index is missing.
		ownState = &IndexState{File: own, Missing: true}
	}
	v.Indexes[own] = ownState
	return v, nil
}

// cuts returns the names at which the rest of a listing can be cut, after its first page and our index were read;
// or that the rest isn't needed. If our index has only a few of the secrets, it reads the other indexes of the
// first page, where the caller needs them anyway.
func (e *Engine) cuts(ctx context.Context, v *View, own *IndexState, o lookOptions) (names []string, enough bool) {
	if o.narrow != nil && own.Index != nil && o.narrow() && e.listFiles(ctx, v) == nil {
		v.narrow = true
		return nil, true
	}
	names = own.names(v.Service)
	if len(names) < len(v.Objects) && o.all {
		_ = e.readIndexes(ctx, v, own.File) // an error comes again when all are read
		names = append(names, v.names()...)
	}
	return names, false
}

// listFiles completes the indexes of a view whose listing ended with its first page: a page that goes beyond
// their names has all of them.
func (e *Engine) listFiles(ctx context.Context, v *View) error {
	prefix := v.Service + "/" + index.Prefix(e.Plain())
	for _, info := range v.Objects {
		if info.Name > prefix && !strings.HasPrefix(info.Name, prefix) {
			return nil
		}
	}
	return v.add(e.Bucket.List(ctx, prefix), e.Plain())
}

// names returns the names of the objects that the indexes of the view know.
func (v *View) names() []string {
	var names []string
	for _, s := range v.Readable() {
		names = append(names, s.names(v.Service)...)
	}
	return names
}

func (s *IndexState) names(service string) []string {
	if s.Index == nil {
		return nil
	}
	names := make([]string, 0, len(s.Index.Entries)+len(s.Index.Other)+len(s.Index.Gone))
	for key := range s.Index.Entries {
		names = append(names, ObjectName(service, key))
	}
	for _, marks := range []map[string]string{s.Index.Other, s.Index.Gone} {
		for key := range marks {
			names = append(names, ObjectName(service, key))
		}
	}
	return names
}

// List fills the view from one listing, which it cuts at the names that the indexes of the view know. After an
// error, the view has no objects and no files.
func (e *Engine) List(ctx context.Context, v *View) error { return e.list(ctx, v, nil) }

func (e *Engine) list(ctx context.Context, v *View, ask func(context.Context) ([]string, bool)) error {
	v.Objects, v.Files, v.Foreign, v.narrow = map[string]bucket.Info{}, map[string]bucket.Info{}, nil, false
	prefix := v.Service + "/"
	var listed iter.Seq2[bucket.Info, error]
	if r, ok := e.Bucket.(bucket.Ranger); ok {
		listed = r.ListRanges(ctx, prefix, bucket.Cuts{Names: v.names(), Ask: ask})
	} else {
		listed = e.Bucket.List(ctx, prefix)
	}
	err := v.add(listed, e.Plain())
	if err != nil {
		v.Objects, v.Files = map[string]bucket.Info{}, map[string]bucket.Info{}
	}
	return err
}

// add enters what is listed into the view.
func (v *View) add(listed iter.Seq2[bucket.Info, error], plain bool) error {
	for info, err := range listed {
		if err != nil {
			return err
		}
		base := strings.TrimPrefix(info.Name, v.Service+"/")
		if index.Is(base, plain) {
			v.Files[base] = info
		} else if key, ok := KeyOf(v.Service, info.Name); ok {
			v.Objects[key] = info
		} else {
			v.Foreign = append(v.Foreign, info.Name)
		}
	}
	return nil
}
