package environ

import (
	"maps"
	"path"
	"slices"
	"strings"
)

// own begins the names of coffer's own variables, which no child inherits.
const own = "COFFER_"

// awsCredentials are the variables from which an AWS SDK takes credentials, or the way to them.
var awsCredentials = []string{
	"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN",
	"AWS_CREDENTIAL_EXPIRATION",
	"AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE",
	"AWS_ROLE_ARN", "AWS_ROLE_SESSION_NAME", "AWS_WEB_IDENTITY_TOKEN_FILE",
	"AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
	"AWS_CONTAINER_AUTHORIZATION_TOKEN", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
}

// inherits reports whether the child gets the parent's variable of this [Rules.id].
func (r Rules) inherits(name string) bool {
	switch {
	case r.Pristine || strings.HasPrefix(name, own):
		return false
	case r.NoAWS && slices.Contains(awsCredentials, name):
		return false
	}
	return !slices.ContainsFunc(r.StripPrefixes, func(prefix string) bool { return strings.HasPrefix(name, r.id(prefix)) })
}

// allows reports whether AllowEnv names a variable.
func (r Rules) allows(name string) bool {
	return slices.ContainsFunc(r.AllowEnv, func(allowed string) bool { return r.id(allowed) == r.id(name) })
}

// chosen reports whether the rules let a key through. Patterns are known to be well formed.
func (b *builder) chosen(key string) bool {
	if len(b.rules.Only) > 0 && !matchesAny(b.rules.Only, key) {
		return false
	}
	return !matchesAny(b.rules.Except, key) && !containsKey(b.rules.Skip, key)
}

// Select returns the layers with only those secrets that Only, Except and Skip let through,
// for an output that knows no variables. Notices are [Unmatched]; the error is a [*PatternError].
func Select(layers []Layer, rules Rules) ([]Layer, []Notice, error) {
	b := builder{rules: rules}
	if err := b.selectPatterns(layers); err != nil {
		return nil, nil, err
	}
	chosen := make([]Layer, len(layers))
	for i, l := range layers {
		chosen[i].Service = l.Service
		for _, v := range l.Vars {
			if b.chosen(v.Key) {
				chosen[i].Vars = append(chosen[i].Vars, v)
			}
		}
	}
	return chosen, b.notices, nil
}

// Selected reports whether patterns let a key through, as [Rules.Only] and [Rules.Except]
// do. The error is a [*PatternError].
func Selected(key string, only, except []string) (bool, error) {
	for _, pattern := range slices.Concat(only, except) {
		if _, err := path.Match(pattern, ""); err != nil {
			return false, &PatternError{Pattern: pattern}
		}
	}
	return (len(only) == 0 || matchesAny(only, key)) && !matchesAny(except, key), nil
}

// selectPatterns checks the patterns and notices those that no key of any layer matches:
// most likely a slip, and one that would start a program without its secret.
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
