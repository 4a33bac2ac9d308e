// Package dirbucket implements a bucket in a directory: each object is a file, encrypted with age
// to the identity of its alias.
//
// An object's file has the object's name below the directory, and is an ordinary age file: "age -d
// -i KEYDIR/alias_app.age DIR/api/db_url.json" decrypts it. Capital letters are written as "+" and
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
)

// Options name the directories of a bucket. They need not exist: Put creates them with mode 0700.
type Options struct {
	Dir    string // the objects
	KeyDir string // the identities: one file for each alias, "alias_app.age" for alias/app

	Created    func(alias, path string) // is told of each identity that is created; nil: nobody is
	CreatedDir func()                   // is told when Dir is created; nil: nobody is
}

// Bucket is a directory of objects. It keeps no file open between requests.
type Bucket struct {
	dir     string
	keys    *keyring
	created func() // may be nil
}

var _ bucket.Bucket = (*Bucket)(nil)

// New returns the bucket in o.Dir. It accesses no file.
func New(o Options) *Bucket {
	return &Bucket{dir: o.Dir, created: o.CreatedDir, keys: &keyring{dir: o.KeyDir, created: o.Created}}
}

// Get implements [bucket.Bucket]. An object that no identity in the key directory decrypts is
// [bucket.ErrDenied], or [bucket.ErrKey] if an identity file could not be used, which might have
// been the right one. A file that is incomplete or not encrypted is [bucket.ErrTorn].
func (b *Bucket) Get(ctx context.Context, name string) (bucket.Object, error) {
	info, sealed, err := b.read(ctx, "get", name, (*sealedFile).readAll)
	if err != nil {
		return bucket.Object{}, err
	}
	body, recipient, err := b.keys.open(sealed)
	if err != nil {
		return bucket.Object{}, failure("get", name, err)
	}
	info.Seal = bucket.Seal{Method: "age", KeyID: recipient}
	return bucket.Object{Info: info, Body: body}, nil
}

// Head implements [bucket.Bucket]. If no identity decrypts the object, the seal has no key.
func (b *Bucket) Head(ctx context.Context, name string) (bucket.Info, error) {
	info, header, err := b.read(ctx, "head", name, (*sealedFile).readHeader)
	if err != nil {
		return bucket.Info{}, err
	}
	if header != nil {
		info.Seal = bucket.Seal{Method: "age", KeyID: b.keys.recipientOf(header)}
	}
	return info, nil
}

// Put implements [bucket.Bucket]. The first put under an alias creates its identity. Without an
// alias Put is [bucket.ErrRefused], as there are no other keys.
func (b *Bucket) Put(ctx context.Context, name string, body []byte, o bucket.PutOptions) (bucket.Info, error) {
	info, err := b.put(ctx, name, body, o)
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

// Recipient returns the recipient of an alias. A recipient returns itself if its identity exists
// here. It returns "" if there is no such identity, and [bucket.ErrKey] for an identity file that
// cannot be used.
func (b *Bucket) Recipient(name string) (string, error) {
	recipient, err := b.keys.known(name)
	if err != nil {
		return "", failure("look for the identity of", name, err)
	}
	return recipient, nil
}

// read opens an object's file and calls part to read from it.
func (b *Bucket) read(ctx context.Context, op, name string, part func(*sealedFile) (bucket.Info, []byte, error)) (bucket.Info, []byte, error) {
	file, err := fileName(name)
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return bucket.Info{}, nil, failure(op, name, err)
	}
	root, err := b.openRoot()
	if err != nil {
		return bucket.Info{}, nil, failure(op, name, noRoot(err))
	}
	defer shut(root)
	f, err := openSealed(root, file)
	if err != nil {
		return bucket.Info{}, nil, failure(op, name, orNotFound(err))
	}
	defer shut(f)
	info, data, err := part(f)
	if err != nil {
		return bucket.Info{}, nil, failure(op, name, err)
	}
	info.Name = name
	return info, data, nil
}

func (b *Bucket) put(ctx context.Context, name string, body []byte, o bucket.PutOptions) (bucket.Info, error) {
	file, err := fileName(name)
	if err != nil {
		return bucket.Info{}, err
	}
	if err := ctx.Err(); err != nil {
		return bucket.Info{}, err
	}
	recipient, err := b.keys.recipient(o.KeyAlias)
	if err != nil {
		return bucket.Info{}, err
	}
	sealed, err := seal(body, recipient)
	if err != nil {
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
	if err := check(root, file, o.If); err != nil {
		return bucket.Info{}, err
	}
	stat, err := replace(ctx, root, file, sealed)
	if err != nil {
		return bucket.Info{}, err
	}
	return bucket.Info{
		Name:     name,
		Tag:      tagOfFile(sealed),
		Modified: stat.ModTime().UTC(),
		Size:     stat.Size(),
		Seal:     bucket.Seal{Method: "age", KeyID: recipient.String()},
	}, nil
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
	if err := check(root, file, cond); err != nil {
		return err
	}
	if err := removeIfThere(root, temporary(file)); err != nil {
		return err
	}
	return changeNames(ctx, root, path.Dir(file), func() error { return removeIfThere(root, file) })
}

// openRoot opens the directory for one request. No path below it can leave it.
func (b *Bucket) openRoot() (*os.Root, error) {
	if b.dir == "" {
		return nil, fault{bucket.ErrNoBucket, "no directory is configured"}
	}
	root, err := os.OpenRoot(b.dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, &unusable{b.dir, err}
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
	if err := makeDirectories(b.dir); err != nil {
		return nil, orUnusable(b.dir, err)
	}
	if b.created != nil {
		b.created()
	}
	return b.openRoot()
}
