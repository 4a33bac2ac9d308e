// Package reference parses references to secrets: coffer://api/db_password, or with ?version=7 one
// version of it.
package reference

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/coffer-secrets/coffer/store"
)

// Scheme begins each reference.
const Scheme = "coffer://"

// Reference names a secret, or one version of it. Services and keys are as they were typed: a store
// looks them up.
type Reference struct {
	Service string
	Label   string // of Parameter Store, as in service:label; "" for none
	Key     string
	Version int // [store.Latest] for the newest
}

// Parse parses a reference: the scheme, the service, "/", the key, and possibly ?version=N. Services
// with several parts keep their "/": the key is the part after the last one. Any character may be written
// as %XX. The error wraps [store.ErrInvalid].
func Parse(text string) (Reference, error) {
	rest, ok := strings.CutPrefix(text, Scheme)
	if !ok {
		return Reference{}, invalid("a reference begins with %s", Scheme)
	}
	path, query, hasQuery := strings.Cut(rest, "?")
	if strings.Contains(rest, "#") {
		return Reference{}, invalid("a reference has no fragment (#)")
	}
	parts := strings.Split(path, "/")
	for i, part := range parts {
		plain, err := url.PathUnescape(part)
		if err != nil {
			return Reference{}, invalid("%q has a %% that two hexadecimal digits don't follow", part)
		}
		if strings.Contains(plain, "/") {
			return Reference{}, invalid("%q is not allowed: no name has a /", part)
		}
		parts[i] = plain
	}
	last := len(parts) - 1
	if last == 0 {
		return Reference{}, invalid("a reference needs a service and a key: %sSERVICE/KEY", Scheme)
	}
	r := Reference{Service: strings.Join(parts[:last], "/"), Key: parts[last]}
	if !strings.HasPrefix(r.Service, "arn:") {
		r.Service, r.Label, ok = strings.Cut(r.Service, ":")
		if ok && (r.Label == "" || strings.ContainsAny(r.Label, ":/")) {
			return Reference{}, invalid("%q is neither a service nor service:label", strings.Join(parts[:last], "/"))
		}
	}
	if _, err := store.NewID(r.Service, r.Key); err != nil {
		return Reference{}, err
	}
	if hasQuery {
		if err := r.parseQuery(query); err != nil {
			return Reference{}, err
		}
	}
	return r, nil
}

// parseQuery parses what follows "?".
func (r *Reference) parseQuery(query string) error {
	for parameter := range strings.SplitSeq(query, "&") {
		name, value, _ := strings.Cut(parameter, "=")
		switch {
		case name != "version":
			return invalid("%q is not a parameter of a reference; there is only version=N", name)
		case r.Version != store.Latest:
			return invalid("version is given twice")
		case r.Label != "":
			return invalid("a version and the label %q can't be used together", r.Label)
		}
		n, err := strconv.ParseUint(value, 10, 31)
		if err != nil || n == 0 {
			return invalid("version %q is not a number from 1", value)
		}
		r.Version = int(n)
	}
	return nil
}

// ID returns the secret.
func (r Reference) ID() store.ID { return store.ID{Service: r.Service, Key: r.Key} }

// String returns the reference as [Parse] reads it.
func (r Reference) String() string {
	text := Scheme + r.Service
	if r.Label != "" {
		text += ":" + url.PathEscape(r.Label)
	}
	text += "/" + r.Key
	if r.Version != store.Latest {
		text += "?version=" + strconv.Itoa(r.Version)
	}
	return text
}

func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: %s", store.ErrInvalid, fmt.Sprintf(format, args...))
}
