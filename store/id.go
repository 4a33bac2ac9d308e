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

// Scratch is the service in which init tests a store, with secrets of its own. Deleting from it
// leaves neither a tombstone nor an empty index.
const Scratch = "coffer-init-check"

const (
	// ObjectSuffix ends the name of a secret's object.
	ObjectSuffix = ".json"
	// ReservedPrefix is the prefix of all names within a service that are not secrets.
	ReservedPrefix = "__"
)

// ID names one secret. Make it with [NewID]; the zero ID is invalid.
type ID struct{ Service, Key string }

// Object returns the name of the secret's object in a bucket.
func (id ID) Object() string { return id.Service + "/" + id.Key + ObjectSuffix }

func (id ID) String() string { return id.Service + "/" + id.Key }

// NewID validates the service and key of a secret to look up, which another program may have
// written. A new secret needs [CheckNewKey] too. The error wraps [ErrInvalid].
func NewID(service, key string) (ID, error) {
	if err := CheckService(service); err != nil {
		return ID{}, err
	}
	if err := CheckKey(key); err != nil {
		return ID{}, err
	}
	id := ID{Service: service, Key: key}
	if n := len(id.Object()); n > MaxObject {
		return ID{}, invalid("service and key together have %d bytes; the limit is %d", n, MaxObject)
	}
	return id, nil
}

// ParseID returns the ID of a name as [ID.String] writes it, "api/db_password". The key is what
// follows the last "/". The error wraps [ErrInvalid].
func ParseID(name string) (ID, error) {
	i := strings.LastIndexByte(name, '/')
	if i < 0 {
		return ID{}, invalid("%q is not of the form SERVICE/KEY", name)
	}
	return NewID(name[:i], name[i+1:])
}

// CheckService returns an error that wraps [ErrInvalid] unless a string can name a service. A
// service consists of segments of letters, digits, "_", "." and "-", joined by "/". No segment is
// "." or "..", or begins with "__", which is reserved for indexes. The first may be one that AWS made:
// see [MadeByAWS].
func CheckService(service string) error {
	if service == "" {
		return invalid("the service name is empty")
	}
	if strings.HasPrefix(service, "arn:") {
		return invalid("%q is an ARN, not the name of a service", service)
	}
	if whole := strings.TrimRight(service, "/"); whole != service && CheckService(whole) == nil {
		return invalid("service %q ends with \"/\": use %s", service, whole)
	}
	if whole := strings.Trim(service, "/"); strings.HasPrefix(service, "/") && CheckService(whole) == nil {
		return invalid("service %q begins with \"/\": use %s", service, whole)
	}
	plain := service
	if MadeByAWS(service) {
		_, plain, _ = strings.Cut(service, "!")
	}
	for segment := range strings.SplitSeq(plain, "/") {
		if err := checkSegment("service", service, segment); err != nil {
			return err
		}
	}
	return nil
}

// MadeByAWS reports whether a name has the form of a secret in Secrets Manager that another service of AWS
// made and manages: "rds!cluster-3f8c", "events!connection/orders/41bb". No user can create such a name there.
// It may be typed in
// another case. (Secrets Manager's user guide, "Secrets managed by other AWS services".)
func MadeByAWS(service string) bool {
	maker, name, ok := strings.Cut(service, "!")
	return ok && maker != "" && name != "" && !strings.ContainsFunc(maker, func(r rune) bool {
		return r == '_' || r == '.' || !nameRune(r)
	})
}

// CheckKey returns an error that wraps [ErrInvalid] unless a string can name a secret, new or old.
func CheckKey(key string) error {
	if len(key) > MaxKey {
		return invalid("the key has %d bytes; the limit is %d", len(key), MaxKey)
	}
	return checkSegment("key", key, key)
}

// CheckNewKey returns an error that wraps [ErrInvalid] unless a new secret can have this key. It
// must begin with a letter, a digit or "_"; a secret that exists need not.
func CheckNewKey(key string) error {
	if err := CheckKey(key); err != nil {
		return err
	}
	if key[0] == '-' || key[0] == '.' {
		return invalid("key %q begins with %q; a new key must begin with a letter, a digit or \"_\"", key, key[0])
	}
	return nil
}

func checkSegment(what, whole, segment string) error {
	switch {
	case segment == "" && whole == "":
		return invalid("the %s name is empty", what)
	case segment == "":
		return invalid("%s %q has an empty part", what, whole)
	case segment == "." || segment == "..":
		return invalid("%s %q: \"%s\" is not a valid name", what, whole, segment)
	case strings.HasPrefix(segment, ReservedPrefix):
		return invalid("%s %q: names that begin with %q are reserved for indexes", what, whole, ReservedPrefix)
	}
	for _, r := range segment {
		if !nameRune(r) {
			return invalid("%s %q: %q is not allowed; use letters, digits, \"_\", \".\" and \"-\"", what, whole, r)
		}
	}
	return nil
}

func nameRune(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' || r == '.' || r == '-'
}

// NormalizeAlias returns a key alias with its "alias/" prefix. It returns a key id or an ARN
// unchanged; [IsKeyName] distinguishes them from an alias. The error wraps [ErrInvalid].
func NormalizeAlias(name string) (string, error) {
	if IsKeyName(name) {
		return name, nil
	}
	rest := strings.TrimPrefix(name, "alias/")
	if rest == "" {
		return "", invalid("the key alias is empty")
	}
	for _, r := range rest {
		if !nameRune(r) && r != '/' || r == '.' {
			return "", invalid("key alias %q: %q is not allowed; use letters, digits, \"/\", \"_\" and \"-\"", name, r)
		}
	}
	return "alias/" + rest, nil
}

// IsKeyName reports whether a string is the ARN or id of a KMS key rather than an alias. Its alias
// must be looked up in KMS.
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
