package app

import (
	"errors"

	"github.com/coffer-secrets/coffer/internal/formats"
	"github.com/coffer-secrets/coffer/internal/project"
	"github.com/coffer-secrets/coffer/internal/project/locate"
	"github.com/coffer-secrets/coffer/store"
)

// projectHint returns the hint of an error about a project's file; "" if it is none.
func projectHint(err error) string {
	var key *project.KeyError
	var variable *project.RefusedError
	var file *locate.RefusedError
	switch {
	case errors.As(err, &key) && errors.Is(err, store.ErrNotFound):
		return "coffer write stores a secret; coffer check lists all that is missing"
	case errors.As(err, &key) && errors.Is(err, store.ErrDenied):
		return "coffer doctor " + key.In + " shows how to get access"
	case errors.As(err, &key) && key.Fault != "":
		return "coffer write " + key.In + " " + key.Name + " stores another value"
	case errors.As(err, &variable):
		return "--allow-env " + variable.Name + " allows it, if you trust this repository"
	case errors.As(err, &file) && file.Distrusted:
		return "if you trust it, name it: --project " + formats.ShellQuote(file.Path)
	}
	return ""
}
