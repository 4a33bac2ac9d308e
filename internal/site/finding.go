package site

import (
	"fmt"

	"github.com/coffer-secrets/coffer/internal/app"
	"github.com/coffer-secrets/coffer/store/admin"
)

// Finding is a row of doctor's output.
type Finding struct {
	Severity admin.Severity `json:"severity"`
	Check    string         `json:"check"`               // a constant of store/admin, for programs
	About    string         `json:"about"`               // the secret, the object, the service or the bucket
	Text     string         `json:"text"`                // a sentence without its subject; may quote the storage, so escape it
	Command  string         `json:"fix,omitempty"`       // the command that repairs it; "" if it is repaired
	Repaired bool           `json:"fixed,omitempty"`     // by --fix
	Fine     bool           `json:"-"`                   // there is nothing to repair
	Of       string         `json:"-"`                   // the object that is to blame, if it has a finding of its own
	Shared   string         `json:"-"`                   // of findings with one cause in several services: the same for all of them
	Answer   string         `json:"supported,omitempty"` // of a probe of the server: yes, no, unknown
}

// newFinding returns a list with one finding.
func newFinding(severity admin.Severity, check, about, command, format string, args ...any) []Finding {
	return []Finding{{Severity: severity, Check: check, About: about, Command: command, Text: fmt.Sprintf(format, args...)}}
}

// Unknown returns a finding that says that a check failed, and why. It has no command; Findings sets
// the one that tries permissions.
func Unknown(check, about string, err error) []Finding {
	return newFinding(admin.Remark, check, about, "", "unknown: %s", app.Sentence(err))
}
