package dirbucket

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"syscall"

	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
)

// fault is an error whose class is known where it arises.
type fault struct {
	sentinel error
	reason   string
}

func (f fault) Error() string { return f.sentinel.Error() + ": " + f.reason }

// missing reports whether there is no such file, be it for want of a directory above it.
func missing(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
}

// orNotFound turns the error about a missing file into that about a missing object.
func orNotFound(err error) error {
	if missing(err) {
		return fault{sentinel: bucket.ErrNotFound}
	}
	return err
}

// failure is the error of a request. What the system reports is a denial, something that passes,
// or else a failure for good: a full disk is no network, and repeating the request does not help.
// Neither has made the change: what may have been made is a fault of its own. What [os.Root]
// refuses by itself, such as a path that leads out of the directory, is no error number and
// refused for good.
func failure(op, name string, err error) error {
	e := &bucket.Error{Op: op, Name: name}
	var known fault
	var errno syscall.Errno
	switch {
	case errors.As(err, &known):
		e.Err, e.Reason = known.sentinel, known.reason
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		e.Err = err
	case errors.As(err, &errno) && taken(errno):
		e.Err, e.Reason = bucket.ErrRefused, clash(name, errno)
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		e.Err, e.Reason = bucket.ErrDenied, err.Error()
	case errors.As(err, &errno) && passing(errno):
		e.Err, e.Reason = bucket.ErrUnavailable, err.Error()
	default:
		e.Err, e.Reason = bucket.ErrRefused, err.Error()
	}
	return e
}

// unmade is the error of directories that cannot be made.
func unmade(err error) error {
	if err == nil || errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS) {
		return err
	}
	return fault{bucket.ErrRefused, err.Error()}
}

// taken reports whether a file stands where the name needs a directory, or the other way round.
func taken(errno syscall.Errno) bool {
	switch errno {
	case syscall.ENOTDIR, syscall.EISDIR, syscall.EEXIST, syscall.ENOTEMPTY:
		return true
	default:
		return false
	}
}

// clash says why a name is taken: where a file stands in the place of a directory, it is that of a
// service above the name.
func clash(name string, errno syscall.Errno) string {
	at := name
	if errno == syscall.ENOTDIR {
		for at = path.Dir(name); at != "." && !strings.HasSuffix(at, store.ObjectSuffix); {
			at = path.Dir(at)
		}
	}
	service, file := path.Split(at)
	return fmt.Sprintf("a directory cannot hold both the secret %q of service %q and the service %q: they are a file and a directory of one name; choose another name",
		strings.TrimSuffix(file, store.ObjectSuffix), strings.TrimSuffix(service, "/"), at)
}

// passing reports whether the same request may succeed soon: others hold what it needs, or a
// directory vanished under it.
func passing(errno syscall.Errno) bool {
	switch errno {
	case syscall.EAGAIN, syscall.EINTR, syscall.EBUSY, syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.ENOENT:
		return true
	default:
		return held(errno)
	}
}
