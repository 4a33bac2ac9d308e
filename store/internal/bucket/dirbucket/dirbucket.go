// Package dirbucket implements a bucket in a directory: each object is a file with its bytes.
//
// An object's file has the object's name below the directory. Capital letters are written as "+" and
// the small letter, so that names which differ just in case are different files on case-insensitive
// file systems. Files with names that are not valid object names are neither changed nor listed.
// The same is true of symbolic links.
//
// Writers in any number of processes exclude one another with advisory locks in DIR/~locks, which
// the system releases when a process ends. Get and Head never wait: a change is one rename. A crash
// leaves at most a temporary file, which listings ignore and the next writer of that object
// replaces. The directory must be on a file system with advisory locks, which all local ones have.
package dirbucket

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"

	"github.com/coffer-secrets/coffer/internal/waiting"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
	"github.com/coffer-secrets/coffer/store/internal/files"
)

// Options are the settings of a bucket. Dir is required.
type Options struct {
	Dir     string // the objects. It need not exist: Put creates it with mode 0700
	Created func() // is told when Dir is created; nil: nobody is

	// StateSize returns how many bytes at the beginning of a file tell all its states apart, so that
	// a listing need not read more of each file. It gets the first bytes of a file, or all, and returns
	// 0 if it can't tell by them. Nil, or 0 for the whole file: all bytes do.
	StateSize func(beginning []byte) int
}

// Bucket is a directory of objects. It keeps no file open between requests.
type Bucket struct{ o Options }

var (
	_ bucket.Bucket       = (*Bucket)(nil)
	_ bucket.HeaderReader = (*Bucket)(nil)
)

// New returns the bucket in o.Dir. It accesses no file.
func New(o Options) *Bucket {
	if o.StateSize == nil {
		o.StateSize = func([]byte) int { return 0 }
	}
	return &Bucket{o}
}

// Get implements [bucket.Bucket].
func (b *Bucket) Get(ctx context.Context, name string) (o bucket.Object, err error) {
	err = b.read(ctx, "get", name, func(f *objectFile) error {
		o.Body, err = f.all()
		o.Info = f.info(name, b.tagOf(o.Body))
		return err
	})
	if err != nil {
		return bucket.Object{}, err
	}
	return o, nil
}

// Head implements [bucket.Bucket].
func (b *Bucket) Head(ctx context.Context, name string) (bucket.Info, error) {
	info, _, err := b.ReadHeader(ctx, name, 1)
	return info, err
}

// ReadHeader implements [bucket.HeaderReader].
func (b *Bucket) ReadHeader(ctx context.Context, name string, n int) (info bucket.Info, header []byte, err error) {
	err = b.read(ctx, "head", name, func(f *objectFile) error {
		state, data, err := b.state(f, make([]byte, max(n, beginning)))
		info, header = f.info(name, state), data[:min(n, len(data))]
		return err
	})
	if err != nil {
		return bucket.Info{}, nil, err
	}
	return info, header, nil
}

// Put implements [bucket.Bucket]. It ignores the alias: it doesn't encrypt.
func (b *Bucket) Put(ctx context.Context, name string, body []byte, o bucket.PutOptions) (bucket.Info, error) {
	info, err := b.put(ctx, name, body, o.If)
	return info, record(ctx, "put", name, err)
}

// Delete implements [bucket.Bucket]. Without a condition a missing object is not an error. It does
// not remove the directories above the object.
func (b *Bucket) Delete(ctx context.Context, name string, cond bucket.If) error {
	return record(ctx, "delete", name, b.remove(ctx, name, cond))
}

// record reports the outcome of a change to package waiting, and returns its error.
func record(ctx context.Context, op, name string, err error) error {
	if err == nil {
		waiting.Made(ctx, name)
		return nil
	}
	if err = failure(op, name, err); errors.Is(err, bucket.ErrUnavailable) {
		waiting.MaybeMade(ctx, name)
	}
	return err
}

// read opens an object's file and calls do with it.
func (b *Bucket) read(ctx context.Context, op, name string, do func(*objectFile) error) error {
	file, err := fileName(name)
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return failure(op, name, err)
	}
	root, err := b.openRoot()
	if err != nil {
		return failure(op, name, noRoot(err))
	}
	defer shut(root)
	f, err := openObject(root, file)
	if err != nil {
		return failure(op, name, orNotFound(err))
	}
	defer shut(f)
	if err := do(f); err != nil {
		return failure(op, name, err)
	}
	return nil
}

func (b *Bucket) put(ctx context.Context, name string, body []byte, cond bucket.If) (bucket.Info, error) {
	file, err := fileName(name)
	if err != nil {
		return bucket.Info{}, err
	}
	if err := ctx.Err(); err != nil {
		return bucket.Info{}, err
	}
	root, err := b.makeRoot()
	if err != nil {
		return bucket.Info{}, err
	}
	defer shut(root)
	unlock, err := lock(ctx, root, objectLock(name))
	if err != nil {
		return bucket.Info{}, err
	}
	defer unlock()
	if err := b.check(root, file, cond); err != nil {
		return bucket.Info{}, err
	}
	stat, err := replace(ctx, root, file, body)
	if err != nil {
		return bucket.Info{}, err
	}
	return (&objectFile{stat: stat}).info(name, b.tagOf(body)), nil
}

func (b *Bucket) remove(ctx context.Context, name string, cond bucket.If) error {
	file, err := fileName(name)
	if err != nil {
		return err
	}
	if cond.Absent() {
		return fault{bucket.ErrRefused, "a delete can't require that the object is absent"}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	_, match := cond.Match()
	root, err := b.openRoot()
	if errors.Is(err, fs.ErrNotExist) && !match {
		return nil
	}
	if err != nil {
		return noRoot(err)
	}
	defer shut(root)
	unlock, err := lock(ctx, root, objectLock(name))
	if err != nil {
		return err
	}
	defer unlock()
	if err := b.check(root, file, cond); err != nil {
		return err
	}
	if err := files.Remove(root, temporary(file)); err != nil {
		return err
	}
	if _, err := root.Lstat(file); files.Missing(err) {
		return nil // nothing to sync, and the directory may be missing too
	}
	return changeNames(ctx, root, path.Dir(file), func() error { return files.Remove(root, file) })
}

// openRoot opens the directory for one request. No path below it can leave it.
func (b *Bucket) openRoot() (*os.Root, error) {
	if b.o.Dir == "" {
		return nil, fault{bucket.ErrNoBucket, "no directory is configured"}
	}
	root, err := os.OpenRoot(b.o.Dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, &files.Unusable{Dir: b.o.Dir, Err: err}
	}
	return root, err
}

// noRoot converts the error about a missing directory to that about a missing object. A file in its
// place is another error.
func noRoot(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fault{sentinel: bucket.ErrNotFound}
	}
	return err
}

// makeRoot is openRoot, and creates the directory if it doesn't exist.
func (b *Bucket) makeRoot() (*os.Root, error) {
	root, err := b.openRoot()
	if !errors.Is(err, fs.ErrNotExist) {
		return root, err
	}
	if err := files.MakeDirectory(b.o.Dir); err != nil {
		return nil, err
	}
	if b.o.Created != nil {
		b.o.Created()
	}
	return b.openRoot()
}
