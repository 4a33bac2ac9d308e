package app

import (
	"slices"
	"strings"
	"sync"

	"github.com/coffer-secrets/coffer/internal/foreign"
	"github.com/coffer-secrets/coffer/internal/render"
	"github.com/coffer-secrets/coffer/store"
)

// concealed are the secrets that this process was given on the way.
type concealed struct {
	mu  sync.Mutex
	all []string
}

// Conceal keeps secrets out of every sentence from now on, whoever repeats them.
func (a *App) Conceal(secrets ...string) {
	if a.concealed == nil {
		return
	}
	a.concealed.mu.Lock()
	defer a.concealed.mu.Unlock()
	for _, secret := range secrets {
		if secret != "" {
			a.concealed.all = append(a.concealed.all, secret)
		}
	}
}

// longValue is the length from which a value is kept out of sentences. A shorter one may be a word of
// a sentence, which would then tell the value by leaving it out.
const longValue = 16

// ConcealValue keeps a value that is about to be stored out of every sentence, in case a server
// repeats what it was sent.
func (a *App) ConcealValue(v store.Value) {
	if v.Len() >= longValue {
		a.Conceal(v.Reveal())
	}
}

// shown returns a sentence as it is printed: without credentials, and with control characters
// escaped.
func (a *App) shown(sentence string) string {
	return render.Escape(foreign.Sentence(sentence, a.secrets()...))
}

// WithoutCredentials returns the rows of settings without credentials, such as the password in a URL or a
// secret key in the wrong setting.
func (a *App) WithoutCredentials(rows []ConfigRow) []ConfigRow {
	out := slices.Clone(rows)
	for i, r := range rows {
		out[i].Value, out[i].From = a.setting(r.Value), a.setting(r.From)
	}
	return out
}

// setting returns a value of a setting, or of a log, without credentials.
func (a *App) setting(value string) string {
	if foreign.IsCredential(value) {
		return foreign.Hidden
	}
	return foreign.Sentence(value, a.secrets()...)
}

// secrets returns what no sentence may contain.
func (a *App) secrets() []string {
	var all []string
	for _, entry := range a.Environ {
		if name, value, _ := strings.Cut(entry, "="); isCredential(name, value) {
			all = append(all, value, strings.ReplaceAll(value, "/", "_")) // as an alias in the name of its index
		} else if name == identityVariable {
			all = append(all, strings.FieldsFunc(value, func(r rune) bool { return r == '\n' || r == '\r' })...)
		}
	}
	if a.concealed != nil {
		a.concealed.mu.Lock()
		defer a.concealed.mu.Unlock()
		all = append(all, a.concealed.all...)
	}
	return all
}

// isCredential reports whether a variable of the SDK or of ours holds a credential, be it in the
// wrong variable.
func isCredential(name, value string) bool {
	name = strings.ToUpper(name)
	switch name {
	case "AWS_SECRET_ACCESS_KEY", "AWS_SECRET_KEY", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN", "AWS_CONTAINER_AUTHORIZATION_TOKEN":
		return true
	}
	return (strings.HasPrefix(name, "AWS_") || strings.HasPrefix(name, "COFFER_") || strings.HasPrefix(name, "CHAMBER_")) && foreign.LooksSecret(value)
}
