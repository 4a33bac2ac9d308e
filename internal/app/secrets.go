package app

import (
	"time"

	"github.com/coffer-secrets/coffer/store"
)

// SecretJSON is how a secret is printed with --json.
type SecretJSON struct {
	Service   string  `json:"service"`
	Key       string  `json:"key"`
	Version   int     `json:"version,omitempty"`
	Created   string  `json:"created,omitempty"`
	CreatedBy string  `json:"created_by,omitempty"`
	KeyAlias  string  `json:"key_alias,omitempty"`
	Value     *string `json:"value,omitempty"`
}

func Described(m store.Meta) SecretJSON {
	return SecretJSON{
		Service: m.ID.Service, Key: m.ID.Key, Version: m.Version, Created: Timestamp(m.Created),
		CreatedBy: m.CreatedBy, KeyAlias: m.KeyAlias,
	}
}

// Valued is described with the value, for a command that was asked to print it.
func Valued(s store.Secret) SecretJSON {
	out, value := Described(s.Meta), s.Value.Reveal()
	out.Value = &value
	return out
}

func Timestamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}

func OrNone(version int) any {
	if version == 0 {
		return nil
	}
	return version
}

func Shown(value *string) any {
	if value == nil {
		return nil
	}
	return *value
}
