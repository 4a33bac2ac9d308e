//go:build unix

package cmd_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/coffer-secrets/coffer/store"
)

// creators are the commands that may create the service that they are given.
var creators = []string{"write SVC", "import SVC", "copy other SVC", "policy ", "__complete"}

// emptyAllowed are the commands to which an empty service can be right, with --allow-empty.
var emptyAllowed = []namedCommand{
	{line: "list SVC"},
	{line: "list SVC --json"},
	{line: "exec SVC -- true"},
	{line: "env SVC"},
	{line: "export SVC"},
	{line: "keys SVC"},
	{line: "diff SVC other", exit: 1},
	{line: "rekey SVC --to alias/ops --create", needs: "key"},
}

// A service that is not there is exit code 3 in every command, with the nearest service, and nothing on
// standard output.
func TestMissingServiceIsTheSameEverywhere(t *testing.T) {
	onEachBackend(t, func(s shelf) {
		s.plant("other", "key", canary)
		s.plant("billing/web", "key", canary)
		before := s.stored()
		for _, typed := range []string{"billing/wib", "Billing/Wib"} {
			commands := append([]namedCommand{}, readers...)
			for _, c := range writers {
				commands = append(commands, c.namedCommand)
			}
			for _, c := range append(commands, emptyAllowed...) {
				s.wantMissing(c, typed)
			}
		}
		if after := s.stored(); len(after) != len(before) {
			s.Errorf("%q is stored; before it was %q", after, before)
		}
		for _, c := range emptyAllowed {
			line := strings.ReplaceAll(c.line, "SVC", "billing/wib --allow-empty")
			if got := s.run(line, ""); s.can(c.needs) && got.exit != c.exit {
				s.Errorf("coffer %s: %+v", line, got)
			}
		}
	})
}

func (s shelf) wantMissing(c namedCommand, typed string) {
	s.Helper()
	for _, creator := range creators {
		if strings.HasPrefix(c.line, creator) {
			return
		}
	}
	if !s.can(c.needs) {
		return
	}
	line := strings.ReplaceAll(c.line, "SVC", typed)
	got := s.run(line, c.stdin)
	if got.exit != 3 || got.stdout != "" || !strings.Contains(got.stderr, `service "`+typed+`" has no secrets (nearest: "billing/web")`) {
		s.Errorf("coffer %s: %+v", line, got)
	}
}

// keyCommands are the commands that take a key, in the order in which they run.
var keyCommands = []namedCommand{
	{line: "read SVC KEY -q"},
	{line: "exec SVC --only KEY --pristine -- env"},
	{line: "env SVC --only KEY"},
	{line: "export SVC --only KEY"},
	{line: "exec SVC --require KEY --skip KEY --except t* -- true"},
	{line: "diff SVC other --keys KEY", exit: 1},
	{line: "history SVC KEY", needs: "history"},
	{line: "audit SVC KEY", needs: "history"},
	{line: "tag read SVC KEY", needs: "tags"},
	{line: "share SVC KEY", needs: "links"},
	{line: "copy SVC SVC-copy --keys KEY"},
	{line: "write SVC KEY -", stdin: canary},
	{line: "import SVC -", stdin: `{"KEY": "` + canary + `2"}`},
	{line: "restore SVC KEY --version 1", needs: "history"},
	{line: "delete SVC KEY"},
}

// A key is that of exactly the name, else the only one that differs in case.
func TestKeysAreFoundAsTheyAreListed(t *testing.T) {
	onEachBackend(t, func(s shelf) {
		s.plant("other", "key", canary)
		values := map[string]store.Value{}
		for _, key := range []string{"DB_URL", "Twin", "twin", "a.b-c"} {
			values[key] = store.NewValue(canary + " of " + key)
		}
		for typed, means := range map[string]string{"DB_URL": "DB_URL", "db_url": "DB_URL", "twin": "twin", "Twin": "Twin", "TWIN": "", "A.B-C": "a.b-c"} {
			service := "Keys-" + typed
			if typed == strings.ToLower(typed) {
				service += "-low" // or it would be a service that differs from another in case
			}
			if _, err := s.other.WriteAll(s.Context(), service, values, store.WriteOptions{PreserveCase: true}); err != nil {
				s.Fatal(err)
			}
			for _, c := range keyCommands {
				if s.can(c.needs) {
					s.wantKey(c, service, typed, means)
				}
			}
			if left, err := s.other.Load(s.Context(), service); err != nil || means != "" && slices.Contains(left.Keys(), means) || len(left.Keys()) < 3 {
				s.Errorf("after all commands %q are left: %v", left.Keys(), err)
			}
		}
	})
}

// wantKey runs a command on a key. means is the key that is meant; "" if it can be Twin or twin.
func (s shelf) wantKey(c namedCommand, service, typed, means string) {
	s.Helper()
	names := strings.NewReplacer("SVC", service, "KEY", typed)
	line := names.Replace(c.line)
	got := s.run(line, names.Replace(c.stdin))
	switch {
	case means == "" && (got.exit != 2 || !strings.Contains(got.stderr, "is ambiguous: Twin, twin; use the exact key")):
		s.Errorf("coffer %s: %+v", line, got)
	case means != "" && got.exit != c.exit:
		s.Errorf("coffer %s means %s: %+v", line, means, got)
	case means != "" && strings.HasPrefix(line, "read") && got.stdout != canary+" of "+means+"\n":
		s.Errorf("coffer %s means %s: %+v", line, means, got)
	case means != "" && strings.HasPrefix(line, "delete") && !strings.Contains(got.stderr, service+"/"+means+": deleted"):
		s.Errorf("coffer %s means %s: %+v", line, means, got)
	}
}
