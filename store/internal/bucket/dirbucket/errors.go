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

// fault is an error that already has its sentinel.
type fault struct {
	sentinel error
	reason   string
}

func (f fault) Error() string { return f.sentinel.Error() + ": " + f.reason }

// unusable is the error about the directory of a bucket, or of its keys, that can be neither opened
// nor created. Trying again doesn't help.
type unusable struct {
	dir string
	err error
}

func (u *unusable) Error() string {
	return fmt.Sprintf("can't use the directory %s: %v", u.dir, bare(u.err))
}

func (u *unusable) Unwrap() error { return u.err }

// orUnusable returns the error about a directory that can't be used. Another fault stays as it is.
func orUnusable(dir string, err error) error {
	var known fault
	if err == nil || errors.As(err, &known) {
		return err
	}
	return &unusable{dir, err}
}

// bare returns the system's error, without the operation and the path.
func bare(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}

// missing reports whether there is no such file, or a directory above it is missing.
func missing(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
}

// orNotFound converts the error about a missing file to that about a missing object.
func orNotFound(err error) error {
	if missing(err) {
		return fault{sentinel: bucket.ErrNotFound}
	}
	return err
}

// failure returns the error of a request. An error of the system is a denial, a temporary failure,
// or else a permanent one: a full disk is not a network failure, and repeating the request does not
// help. After each of these the change is not made; if it may have been made, the error is a fault.
// An error of [os.Root] itself, such as a path that leaves the directory, has no errno and is
// permanent. An error about a file has the code [store.CodeFile].
func failure(op, name string, err error) error {
	e := &bucket.Error{Op: op, Name: name, Code: store.CodeFile}
	var known fault
	var whole *unusable
	var errno syscall.Errno
	switch isErrno := errors.As(err, &errno); {
	case errors.As(err, &known):
		e.Err, e.Reason, e.Code = known.sentinel, known.reason, ""
		if errors.Is(known.sentinel, bucket.ErrDenied) {
			e.Code = store.CodeNoIdentity
		}
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		e.Err, e.Code = err, ""
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		e.Err, e.Reason = bucket.ErrDenied, err.Error()
	case errors.As(err, &whole):
		e.Err, e.Reason = bucket.ErrRefused, err.Error()
	case isErrno && taken(errno):
		e.Err, e.Reason, e.Code = bucket.ErrRefused, clash(name, errno), ""
	case isErrno && passing(errno):
		e.Err, e.Reason = bucket.ErrUnavailable, err.Error()
	default:
		e.Err, e.Reason = bucket.ErrRefused, err.Error()
	}
	return e
}

// taken reports whether a file is where the name needs a directory, or the other way round.
func taken(errno syscall.Errno) bool {
	switch errno {
	case syscall.ENOTDIR, syscall.EISDIR, syscall.EEXIST, syscall.ENOTEMPTY:
		return true
	default:
		return false
	}
}

// clash explains why a name is taken. If a file is where a directory is needed, it has the name of
// a service above.
func clash(name string, errno syscall.Errno) string {
	at := name
	if errno == syscall.ENOTDIR {
		for at = path.Dir(name); at != "." && !strings.HasSuffix(at, store.ObjectSuffix); {
			at = path.Dir(at)
		}
	}
	service, file := path.Split(at)
	return fmt.Sprintf("a directory can't contain both the secret %q of service %q and the service %q: they would be a file and a directory of the same name; choose another name",
		strings.TrimSuffix(file, store.ObjectSuffix), strings.TrimSuffix(service, "/"), at)
}

// passing reports whether the same request may succeed soon: another process holds a resource, or a
// directory was removed during the request.
func passing(errno syscall.Errno) bool {
	switch errno {
	case syscall.EAGAIN, syscall.EINTR, syscall.EBUSY, syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.ENOENT:
		return true
	default:
		return held(errno)
	}
}
