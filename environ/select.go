package environ

import (
	"errors"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/coffer-secrets/coffer/store"
)

// ownPrefix begins the names of coffer's own variables, which no child inherits.
const ownPrefix = "COFFER_"

// awsCredentials are the variables with which an AWS SDK finds credentials.
var awsCredentials = []string{
	"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN",
	"AWS_CREDENTIAL_EXPIRATION",
	"AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE",
	"AWS_ROLE_ARN", "AWS_ROLE_SESSION_NAME", "AWS_WEB_IDENTITY_TOKEN_FILE",
	"AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
	"AWS_CONTAINER_AUTHORIZATION_TOKEN", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
}

// inherits reports whether the child inherits a variable. The name is a [Rules.id].
func (r Rules) inherits(name string) bool {
	switch {
	case r.Pristine || strings.HasPrefix(name, ownPrefix):
		return false
	case r.NoAWS && slices.Contains(awsCredentials, name):
		return false
	}
	return !slices.ContainsFunc(r.StripPrefixes, func(prefix string) bool { return strings.HasPrefix(name, r.id(prefix)) })
}

// allows reports whether AllowEnv has a variable.
func (r Rules) allows(name string) bool {
	return slices.ContainsFunc(r.AllowEnv, func(allowed string) bool { return r.id(allowed) == r.id(name) })
}

// Select returns the layers with only the secrets that Only, Except and Skip select, for output that
// is not an environment. Notices and errors are those of [Build] about patterns.
func Select(layers []Layer, rules Rules) ([]Layer, []Notice, error) {
	if err := checkPatterns(rules.Only, rules.Except); err != nil {
		return nil, nil, err
	}
	var missed Choice // the patterns that fit no key of any layer
	var skipped []string
	selected := make([]Layer, len(layers))
	for i, l := range layers {
		keys := slices.Clone(l.LeftOut)
		for _, v := range l.Vars {
			keys = append(keys, v.Key)
		}
		choice, err := Choose(l.Service, keys, rules.Only, rules.Except)
		if err != nil {
			return nil, nil, err
		}
		skip := matcher{service: l.Service, keys: keys, literal: true}
		if err := skip.match(rules.Skip); err != nil {
			return nil, nil, err
		}
		if i > 0 {
			choice.Only, choice.Except = both(missed.Only, choice.Only), both(missed.Except, choice.Except)
			skip.missed = both(skipped, skip.missed)
		}
		missed, skipped = choice, skip.missed
		selected[i].Service = l.Service
		for _, v := range l.Vars {
			if choice.Keys[v.Key] && !skip.found[v.Key] {
				selected[i].Vars = append(selected[i].Vars, v)
			}
		}
	}
	if len(layers) == 0 {
		missed.Only, missed.Except, skipped = rules.Only, rules.Except, rules.Skip
	}
	notices, err := missed.judge(rules, skipped)
	return selected, notices, err
}

func checkPatterns(only, except []string) error {
	for _, pattern := range slices.Concat(only, except) {
		if _, err := path.Match(pattern, ""); err != nil {
			return &PatternError{Pattern: pattern}
		}
	}
	return nil
}

// Choice is what patterns select of the keys of a service, and the patterns that fit none of them.
type Choice struct {
	Keys         map[string]bool
	Only, Except []string
}

// Choose returns the keys of a service that patterns select, as Only and Except of [Rules] do: each a glob,
// or the name of one key, which is looked up as [store.Lookup] does. Errors: [*PatternError], and
// [store.ErrAmbiguousName].
func Choose(service string, keys, only, except []string) (Choice, error) {
	if err := checkPatterns(only, except); err != nil {
		return Choice{}, err
	}
	in := matcher{service: service, keys: keys}
	out := matcher{service: service, keys: keys}
	if err := in.match(only); err != nil {
		return Choice{}, err
	}
	if err := out.match(except); err != nil {
		return Choice{}, err
	}
	c := Choice{Keys: map[string]bool{}, Only: in.missed, Except: out.missed}
	for _, key := range keys {
		if (len(only) == 0 || in.found[key]) && !out.found[key] {
			c.Keys[key] = true
		}
	}
	return c, nil
}

// Both returns the patterns that fit no key of either choice.
func (c Choice) Both(other Choice) Choice {
	return Choice{Only: both(c.Only, other.Only), Except: both(c.Except, other.Except)}
}

func both(a, b []string) []string {
	return slices.DeleteFunc(slices.Clone(a), func(s string) bool { return !slices.Contains(b, s) })
}

// judge returns what is said about patterns that fit nothing. One of Only is an error: it is probably a
// typing error, and a program would start without its secret.
func (c Choice) judge(rules Rules, skipped []string) ([]Notice, error) {
	var notices []Notice
	for _, pattern := range c.Only {
		if !rules.AllowUnmatched {
			return nil, &UnmatchedError{Pattern: pattern}
		}
		notices = append(notices, unmatched("pattern", pattern))
	}
	for _, pattern := range c.Except {
		notices = append(notices, unmatched("pattern", pattern))
	}
	for _, name := range skipped {
		notices = append(notices, unmatched("name", name))
	}
	return notices, nil
}

// matcher looks up patterns among the keys of a service.
type matcher struct {
	service string
	keys    []string
	literal bool // patterns are names, never globs

	found  map[string]bool // the keys that a pattern fits
	missed []string        // the patterns that fit no key
}

func (m *matcher) match(patterns []string) error {
	m.found = map[string]bool{}
	for _, pattern := range patterns {
		if m.literal || !strings.ContainsAny(pattern, `*?[\`) {
			key, err := store.Match("secret", pattern, m.keys)
			switch {
			case err == nil:
				m.found[key] = true
			case errors.Is(err, store.ErrNotFound):
				m.missed = append(m.missed, pattern)
			default:
				return &store.Error{Op: "find", ID: store.ID{Service: m.service, Key: pattern}, Err: err}
			}
			continue
		}
		fits := false
		for _, key := range m.keys {
			if ok, _ := path.Match(strings.ToLower(pattern), strings.ToLower(key)); ok {
				m.found[key], fits = true, true
			}
		}
		if !fits {
			m.missed = append(m.missed, pattern)
		}
	}
	return nil
}

func sortedNames[V any](byName map[string]V) []string {
	return slices.Sorted(maps.Keys(byName))
}
