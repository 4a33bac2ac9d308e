package site

import (
	"fmt"

	"github.com/coffer-secrets/coffer/internal/app"
	"github.com/coffer-secrets/coffer/store/admin"
)

// Finding is one thing that doctor tells: what it is about, what it is, and the command that
// mends it.
type Finding struct {
	Severity admin.Severity `json:"severity"`
	Check    string         `json:"check"`            // a word for programs
	About    string         `json:"about"`            // the secret, the object, the service or the bucket
	Text     string         `json:"text"`             // a sentence without its subject. Partly the storage's words: escaped where it is printed
	Mend     string         `json:"mend,omitempty"`   // the command that mends it; "" when it is done
	Mended   bool           `json:"mended,omitempty"` // it is done
	Kept     string         `json:"kept,omitempty"`   // of what a server was asked: yes, no, not told
}

// newFinding is a single finding.
func newFinding(severity admin.Severity, check, about, mend, format string, args ...any) []Finding {
	return []Finding{{Severity: severity, Check: check, About: about, Mend: mend, Text: fmt.Sprintf(format, args...)}}
}

// Untold is the finding that nothing could be found out. Where no command is named, it is the one
// that tries the permissions.
func Untold(check, about string, err error) []Finding {
	return newFinding(admin.Remark, check, about, "", "not told: %s", app.Sentence(err))
}
