package ssm

import (
	"fmt"
	"strings"

	"github.com/coffer-secrets/coffer/store"
)

// Limits of a value, in bytes (facts.md, section 8).
const (
	maxStandard = 4 << 10
	maxAdvanced = 8 << 10
)

// CheckValue returns an error that wraps [store.ErrInvalid] if Parameter Store cannot store a
// value: besides the checks of [store.Value.Check], a value must not be empty, larger than 8 KiB,
// contain {{...}}, or begin or end with a space. A value above 4 KiB needs an advanced parameter;
// only the put shows whether it gets one. The error never contains the value.
func CheckValue(v store.Value) error {
	text := v.Reveal()
	_, braces, _ := strings.Cut(text, "{{")
	switch {
	case text == "":
		return fmt.Errorf("%w: Parameter Store can't store an empty value", store.ErrInvalid)
	case len(text) > maxAdvanced:
		return fmt.Errorf("%w: the value has %d bytes; Parameter Store's limit is %d (%d in a standard parameter)",
			store.ErrInvalid, len(text), maxAdvanced, maxStandard)
	case strings.Contains(braces, "}}"):
		return fmt.Errorf("%w: the value contains {{...}}, which Parameter Store refuses, because it would be a reference", store.ErrInvalid)
	case text[0] == ' ' || text[len(text)-1] == ' ':
		return fmt.Errorf("%w: the value begins or ends with a space, which Parameter Store may drop", store.ErrInvalid)
	}
	return v.Check()
}
