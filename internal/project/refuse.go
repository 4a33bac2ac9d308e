package project

import (
	"fmt"
	"slices"
	"strings"

	"github.com/coffer-secrets/coffer/store"
)

// elsewhere are the settings of Coffer's own configuration, in the words that people try. A project's
// file never has them.
var elsewhere = []string{
	"backend", "bucket", "kms_key_alias", "key_alias", "kms_key", "region", "profile", "endpoint", "endpoint_url",
	"context", "contexts", "config", "dir", "key_dir", "retries", "retry_mode", "timeout", "expected_bucket_owner",
	"key_arns", "allow_unencrypted", "single_writer", "allow_http", "mask", "mask_text", "cache",
}

// actions are fields that would run or write something.
var actions = []string{"command", "commands", "run", "exec", "script", "scripts", "hooks", "hook", "include", "includes", "import", "extends", "file", "files", "write", "out", "allow_env"}

// fieldFault returns why the file can't have a field.
func fieldFault(name string, known []string) string {
	shown := quoted(name)
	switch lower := strings.ReplaceAll(strings.ToLower(name), "-", "_"); {
	case slices.Contains(elsewhere, lower):
		return shown + " can't be set here: whoever changes this repository could send you to another store. It belongs in your own configuration (coffer help configuration)"
	case slices.Contains(actions, lower):
		return shown + " can't be set here: a project's file runs nothing, and reads and writes no other file"
	}
	text := "unknown field " + shown
	if near := nearest(name, known); near != "" {
		return fmt.Sprintf("%s (nearest: %q)", text, near)
	}
	return text + " (fields: " + strings.Join(known, ", ") + ")"
}

// ownVariable reports whether a variable is Coffer's, or one of chamber's that Coffer reads.
func ownVariable(name string) bool {
	name = strings.ToUpper(name)
	return strings.HasPrefix(name, "COFFER_") || strings.HasPrefix(name, "CHAMBER_")
}

// RefusedError is a variable of a file that needs the consent of the command line.
type RefusedError struct {
	Name string
	Line int
}

func (e *RefusedError) Error() string {
	return fmt.Sprintf("line %d: a project's file can't set %s, which can run other code, or make a program trust another server", e.Line, e.Name)
}

// Unwrap returns [store.ErrConfiguration].
func (*RefusedError) Unwrap() error { return store.ErrConfiguration }

// RefuseVariables returns an error for each variable that the file may set only if allowed names it.
func (f *File) RefuseVariables(allowed []string) []error {
	var refused []error
	check := func(name string, line int) {
		same := func(other string) bool { return strings.EqualFold(other, name) }
		if name != "" && steers(name) && !slices.ContainsFunc(allowed, same) {
			refused = append(refused, &RefusedError{name, line})
		}
	}
	for _, k := range f.Keys {
		check(k.Variable, k.Line)
	}
	for _, v := range f.Variables {
		check(v.Name, v.Line)
	}
	return refused
}
