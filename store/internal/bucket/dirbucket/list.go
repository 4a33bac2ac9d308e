package dirbucket

import (
	"context"
	"errors"
	"io/fs"
	"iter"
	"os"
	"sort"
	"strings"

	"github.com/coffer-secrets/coffer/store/internal/bucket"
	"github.com/coffer-secrets/coffer/store/internal/files"
)

// List implements [bucket.Bucket]. It reads the beginning of each object.
func (b *Bucket) List(ctx context.Context, prefix string) iter.Seq2[bucket.Info, error] {
	return b.list(ctx, prefix, false)
}

// Walk implements [bucket.Bucket].
func (b *Bucket) Walk(ctx context.Context, prefix string) iter.Seq2[bucket.Info, error] {
	return b.list(ctx, prefix, true)
}

func (b *Bucket) list(ctx context.Context, prefix string, deep bool) iter.Seq2[bucket.Info, error] {
	return func(yield func(bucket.Info, error) bool) {
		l := listing{ctx: ctx, deep: deep, yield: yield, b: b, buffer: make([]byte, beginning)}
		if err := l.run(prefix); err != nil && !errors.Is(err, errLeft) {
			yield(bucket.Info{}, failure("list", prefix, err))
		}
	}
}

// errLeft means that the caller has stopped the iteration.
var errLeft = errors.New("iteration left")

type listing struct {
	ctx   context.Context //nolint:containedctx // lives as long as one call
	deep  bool
	yield func(bucket.Info, error) bool
	b     *Bucket
	top   *os.Root // the directory of the bucket, which contains the locks

	buffer []byte // for the beginning of one file
}

func (l *listing) run(prefix string) error {
	if err := l.ctx.Err(); err != nil {
		return err
	}
	slash := strings.LastIndexByte(prefix, '/') + 1
	top, err := l.b.openRoot()
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer shut(top)
	l.top = top
	if slash == 0 {
		return l.level(top, "", prefix)
	}
	file, err := fileName(prefix[:slash-1])
	if err != nil {
		return err
	}
	return l.below(top, file, prefix[:slash], prefix[slash:])
}

// below lists the directory file of root. path is the prefix of its objects' names.
func (l *listing) below(root *os.Root, file, path, rest string) error {
	dir, err := root.OpenRoot(file)
	if err != nil {
		if noDirectory(root, file, err) {
			return nil
		}
		return err
	}
	defer shut(dir)
	return l.level(dir, path, rest)
}

// noDirectory reports whether file was no directory when opening it failed with err. Another process
// may have created it since, so what err itself tells comes first. Windows has no errno for a file
// in the place of a directory.
func noDirectory(root *os.Root, file string, err error) bool {
	if files.Missing(err) {
		return true
	}
	stat, err := root.Stat(file)
	return files.Missing(err) || err == nil && !stat.IsDir()
}

// level yields the objects in dir whose names begin with path and then rest, and, for Walk, those
// of deeper levels.
func (l *listing) level(dir *os.Root, path, rest string) error {
	entries, err := l.names(dir, rest)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := l.ctx.Err(); err != nil {
			return err
		}
		if e.dir {
			err = l.below(dir, e.file, path+e.name, "")
		} else {
			err = l.object(dir, e.file, path+e.name)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// object yields one object, unless it was deleted meanwhile.
func (l *listing) object(dir *os.Root, file, name string) error {
	f, err := openObject(dir, file)
	if files.Missing(err) {
		return nil
	}
	if err != nil {
		return err
	}
	now, _, err := l.b.state(f, l.buffer)
	shut(f)
	if err != nil {
		return err
	}
	if !l.yield(f.info(name, now), nil) {
		return errLeft
	}
	return nil
}

// entry is a file or subdirectory. The name of a directory ends in "/", so that sorting by name
// gives the order of the objects' full names.
type entry struct {
	name, file string
	dir        bool
}

// names reads the names in dir that begin with prefix, sorted. It takes the lock of changeNames, so
// that no writer changes a name meanwhile. A caller without permission to write reads them without
// the lock.
func (l *listing) names(dir *os.Root, prefix string) ([]entry, error) {
	unlock, err := lockExisting(l.ctx, l.top, namesLock)
	if err != nil {
		return nil, err
	}
	found, err := readNames(dir)
	unlock()
	if err != nil {
		return nil, err
	}
	var entries []entry
	for _, d := range found {
		name, ok := decode(d.Name())
		e := entry{name, d.Name(), d.Type() == fs.ModeDir}
		if e.dir {
			e.name += "/"
		}
		if ok && strings.HasPrefix(e.name, prefix) && (e.dir && l.deep || d.Type().IsRegular()) {
			entries = append(entries, e)
		}
	}
	sort.Slice(entries, func(i, j int) bool { return entries[i].name < entries[j].name })
	return entries, nil
}

func readNames(dir *os.Root) ([]fs.DirEntry, error) {
	f, err := dir.Open(".")
	if err != nil {
		return nil, err
	}
	defer shut(f)
	return f.ReadDir(-1)
}
