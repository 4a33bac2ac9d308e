package scan

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Errors of what isn't scanned as files.
var (
	ErrNotPlain = errors.New("is not a plain file") // a named pipe, a device or a socket
	ErrObjects  = errors.New("is a directory of git's own: its objects are compressed")
)

// Path scans a file, or the files below a directory. It follows no symbolic link but the path itself, and
// skips .git, and below a directory everything that is no plain file. What git ignores is left out unless
// ignored is true, or git ignores the directory itself. Its error is that of the context: what can't be read is reported to [Scanner.Failed].
func (s *Scanner) Path(ctx context.Context, path string, ignored bool) error {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		s.fail(path, err)
		return nil
	case !info.IsDir() && !info.Mode().IsRegular(): // reading it may never end
		s.fail(path, ErrNotPlain)
		return nil
	case !info.IsDir():
		return s.file(ctx, path)
	case holdsObjects(path):
		s.fail(path, ErrObjects)
		return nil
	case ignored || s.isIgnored(ctx, path):
		return s.walk(ctx, path)
	}
	names, err := s.listed(ctx, path)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, ErrNoRepository):
		return s.walk(ctx, path)
	case err != nil:
		s.Notes = append(s.Notes, s.Hide("files that git ignores were scanned, too: "+err.Error()))
		return s.walk(ctx, path)
	}
	for _, name := range names {
		below := filepath.Join(path, filepath.FromSlash(name))
		if below == filepath.Clean(path) { // the folder of a submodule that isn't checked out: git lists the folder itself
			return s.walk(ctx, path)
		}
		if err := s.entry(ctx, below); err != nil {
			return err
		}
	}
	return nil
}

// holdsObjects reports whether a directory is .git or a bare repository, by what git itself takes for one.
func holdsObjects(dir string) bool {
	for _, name := range []string{"HEAD", "objects", "refs"} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.IsDir() != (name != "HEAD") {
			return false
		}
	}
	return true
}

// entry scans what git lists: a file, or another repository, which git doesn't look into.
func (s *Scanner) entry(ctx context.Context, path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist): // deleted, but not in the index
		return nil
	case err != nil:
		s.fail(path, err)
		return nil
	case info.IsDir():
		return s.Path(ctx, path, false)
	case info.Mode().IsRegular():
		return s.file(ctx, path)
	}
	return nil
}

// walk scans the plain files below a directory.
func (s *Scanner) walk(ctx context.Context, dir string) error {
	if info, err := os.Lstat(dir); err == nil && info.Mode()&fs.ModeSymlink != 0 {
		dir += string(filepath.Separator) // WalkDir doesn't follow it otherwise
	}
	return filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			s.fail(path, err)
			return nil
		case entry.IsDir() && entry.Name() == ".git":
			return fs.SkipDir
		case entry.Type().IsRegular():
			return s.file(ctx, path)
		}
		return nil
	})
}

// file scans a file.
func (s *Scanner) file(ctx context.Context, path string) error {
	f, err := await(ctx, func() (*os.File, error) { return os.Open(path) })
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		s.fail(path, err)
		return nil
	}
	defer func() { _ = f.Close() }()
	named, shown := s.inName(path)
	found, err := s.scan(ctx, shown, f)
	s.report(append(named, found...))
	if err != nil && ctx.Err() == nil {
		s.fail(path, err)
	}
	return ctx.Err()
}

// fail reports an error without the path, which is reported beside it.
func (s *Scanner) fail(path string, err error) {
	var of *fs.PathError
	if errors.As(err, &of) && strings.HasSuffix(of.Path, path) {
		err = of.Err
	}
	s.Failed(s.Hide(path), err)
}
