package environ

import (
	"maps"
	"path"
	"slices"
	"strings"
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

// selected reports whether the rules select a key. selectPatterns has checked the patterns.
func (b *builder) selected(key string) bool {
	if len(b.rules.Only) > 0 && !matchesAny(b.rules.Only, key) {
		return false
	}
	return !matchesAny(b.rules.Except, key) && !containsKey(b.rules.Skip, key)
}

// Select returns the layers with only the secrets that Only, Except and Skip select, for output that
// is not an environment. Notices are [Unmatched]; the error is a [*PatternError].
func Select(layers []Layer, rules Rules) ([]Layer, []Notice, error) {
	b := builder{rules: rules}
	if err := b.selectPatterns(layers); err != nil {
		return nil, nil, err
	}
	selected := make([]Layer, len(layers))
	for i, l := range layers {
		selected[i].Service = l.Service
		for _, v := range l.Vars {
			if b.selected(v.Key) {
				selected[i].Vars = append(selected[i].Vars, v)
			}
		}
	}
	return selected, b.notices, nil
}

// Selected reports whether patterns select a key, as Only and Except of [Rules] do. The error is a
// [*PatternError].
func Selected(key string, only, except []string) (bool, error) {
	for _, pattern := range slices.Concat(only, except) {
		if _, err := path.Match(pattern, ""); err != nil {
			return false, &PatternError{Pattern: pattern}
		}
	}
	return (len(only) == 0 || matchesAny(only, key)) && !matchesAny(except, key), nil
}

// selectPatterns checks the patterns, and adds a notice for each that matches no key of any layer. It
// is probably a typing error, and a program would start without its secret.
func (b *builder) selectPatterns(layers []Layer) error {
	for _, pattern := range slices.Concat(b.rules.Only, b.rules.Except) {
		if _, err := path.Match(pattern, ""); err != nil {
			return &PatternError{Pattern: pattern}
		}
		if !anyKey(layers, func(key string) bool { return matchesAny([]string{pattern}, key) }) {
			b.notices = append(b.notices, unmatched("pattern", pattern))
		}
	}
	for _, skip := range b.rules.Skip {
		if !anyKey(layers, func(key string) bool { return strings.EqualFold(skip, key) }) {
			b.notices = append(b.notices, unmatched("name", skip))
		}
	}
	return nil
}

func anyKey(layers []Layer, matches func(key string) bool) bool {
	return slices.ContainsFunc(layers, func(l Layer) bool {
		return slices.ContainsFunc(l.Vars, func(v Var) bool { return matches(v.Key) })
	})
}

func matchesAny(patterns []string, key string) bool {
	key = strings.ToLower(key)
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		ok, _ := path.Match(strings.ToLower(pattern), key)
		return ok
	})
}

func containsKey(keys []string, key string) bool {
	return slices.ContainsFunc(keys, func(k string) bool { return strings.EqualFold(k, key) })
}

func sortedNames[V any](byName map[string]V) []string {
	return slices.Sorted(maps.Keys(byName))
}
