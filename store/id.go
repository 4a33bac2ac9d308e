package store

import (
	"fmt"
	"strings"
)

// Limits of names, in bytes. S3 allows 1,024 bytes for an object's name.
const (
	MaxKey    = 255
	MaxObject = 1024
)

// Scratch is the service in which init tries a store, with secrets that nobody else knows of.
// What is deleted from it leaves neither a tombstone nor an empty index.
const Scratch = "coffer-init-check"

const (
	// ObjectSuffix ends the name of a secret's object.
	ObjectSuffix = ".json"
	// ReservedPrefix begins the names, within a service, of everything that is not a secret.
	ReservedPrefix = "__"
)

// ID names one secret. Make it with [NewID]; the zero ID is invalid.
type ID struct{ Service, Key string }

// Object returns the name of the secret's object in a bucket.
func (id ID) Object() string { return id.Service + "/" + id.Key + ObjectSuffix }

func (id ID) String() string { return id.Service + "/" + id.Key }

// NewID validates a service and a key for looking up a secret that may have been stored
// by another program. A new secret needs [CheckNewKey] too. The error wraps [ErrInvalid].
func NewID(service, key string) (ID, error) {
	if err := CheckService(service); err != nil {
		return ID{}, err
	}
	if err := CheckKey(key); err != nil {
		return ID{}, err
	}
	id := ID{Service: service, Key: key}
	if n := len(id.Object()); n > MaxObject {
		return ID{}, invalid("service and key make an object name of %d bytes; at most %d are allowed", n, MaxObject)
	}
	return id, nil
}

// CheckService reports why a string cannot name a service: it is made of segments of
// letters, digits, "_", "." and "-", joined by "/"; no segment is "." or ".." or begins
// with "__", which is kept for indexes. The error wraps [ErrInvalid].
func CheckService(service string) error {
	if service == "" {
		return invalid("the service has no name")
	}
	for segment := range strings.SplitSeq(service, "/") {
		if err := checkSegment("service", service, segment); err != nil {
			return err
		}
	}
	return nil
}

// CheckKey reports why a string cannot name a secret, new or old. The error wraps [ErrInvalid].
func CheckKey(key string) error {
	if len(key) > MaxKey {
		return invalid("the key has %d bytes; at most %d are allowed", len(key), MaxKey)
	}
	return checkSegment("key", key, key)
}

// CheckNewKey reports why a key that can be read may not be made: it must begin with a
// letter, a digit or "_". The error wraps [ErrInvalid].
func CheckNewKey(key string) error {
	if err := CheckKey(key); err != nil {
		return err
	}
	if key[0] == '-' || key[0] == '.' {
		return invalid("key %q begins with %q; a new key begins with a letter, a digit or \"_\"", key, key[0])
	}
	return nil
}

func checkSegment(what, whole, segment string) error {
	switch {
	case segment == "" && whole == "":
		return invalid("the %s has no name", what)
	case segment == "":
		return invalid("%s %q has an empty part", what, whole)
	case segment == "." || segment == "..":
		return invalid("%s %q: \"%s\" is not a name", what, whole, segment)
	case strings.HasPrefix(segment, ReservedPrefix):
		return invalid("%s %q: names that begin with %q are kept for indexes", what, whole, ReservedPrefix)
	}
	for _, r := range segment {
		if !nameRune(r) {
			return invalid("%s %q: %q is not allowed; a name has letters, digits, \"_\", \".\" and \"-\"", what, whole, r)
		}
	}
	return nil
}

func nameRune(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' || r == '.' || r == '-'
}

// NormalizeAlias returns a key alias with its "alias/" prefix. A key id or an ARN passes
// unchanged: [IsKeyName] tells it from an alias. The error wraps [ErrInvalid].
func NormalizeAlias(name string) (string, error) {
	if IsKeyName(name) {
		return name, nil
	}
	rest := strings.TrimPrefix(name, "alias/")
	if rest == "" {
		return "", invalid("the key alias has no name")
	}
	for _, r := range rest {
		if !nameRune(r) && r != '/' || r == '.' {
			return "", invalid("key alias %q: %q is not allowed; an alias has letters, digits, \"/\", \"_\" and \"-\"", name, r)
		}
	}
	return "alias/" + rest, nil
}

// IsKeyName reports whether a string names a KMS key by its ARN or id rather than by an
// alias, so that KMS must be asked for the alias.
func IsKeyName(name string) bool {
	if strings.HasPrefix(name, "arn:") || strings.HasPrefix(name, "mrk-") {
		return true
	}
	// A key id is a UUID: 8-4-4-4-12 hexadecimal digits.
	if len(name) != 36 {
		return false
	}
	for i, r := range name {
		switch dash := i == 8 || i == 13 || i == 18 || i == 23; {
		case dash && r != '-':
			return false
		case !dash && !(r >= '0' && r <= '9' || r >= 'a' && r <= 'f' || r >= 'A' && r <= 'F'):
			return false
		}
	}
	return true
}

func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrInvalid, fmt.Sprintf(format, args...))
}
