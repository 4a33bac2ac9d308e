package dirbucket

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"
	"syscall"

	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
	"github.com/coffer-secrets/coffer/store/internal/files"
)

// fault is an error that already has its sentinel.
type fault struct {
	sentinel error
	reason   string
}

func (f fault) Error() string { return f.sentinel.Error() + ": " + f.reason }

// orNotFound converts the error about a missing file to that about a missing object.
func orNotFound(err error) error {
	if files.Missing(err) {
		return fault{sentinel: bucket.ErrNotFound}
	}
	return err
}

// failure returns the error of a request. After an error of the system the change is not made; if it
// may have been made, the error is a fault. An error about a file has the code [store.CodeFile].
func failure(op, name string, err error) error {
	e := &bucket.Error{Op: op, Name: name, Code: store.CodeFile}
	var known fault
	var whole *files.Unusable
	var errno syscall.Errno
	switch {
	case errors.As(err, &known):
		e.Err, e.Reason, e.Code = known.sentinel, known.reason, ""
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		e.Err, e.Code = err, ""
	case errors.As(err, &errno) && taken(errno) && !errors.As(err, &whole):
		e.Err, e.Reason, e.Code = bucket.ErrRefused, clash(name, errno), ""
	default:
		e.Err, e.Reason = files.Kind(err), err.Error()
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
