package environ

import (
	"fmt"
	"slices"

	"github.com/coffer-secrets/coffer/store"
)

// FileName returns the name of the variable for the path of a file with the value: NAME_FILE, by a convention
// of many container images.
func (v Variable) FileName() string { return v.Name + "_FILE" }

// PassInFiles passes the secrets that a pattern selects, as one of [Rules].Only does, in files instead of
// variables. write writes a file with the value, and returns its path.
//
// rules are those of [Build]. Errors: those of Build about Only, [*ClashError], [*DangerousError], and those of
// write.
func (e Environment) PassInFiles(pattern string, rules Rules, write func(Variable) (path string, err error)) (Environment, []Notice, error) {
	selected, err := e.SelectSecrets(pattern)
	if err != nil {
		return nil, nil, err
	}
	out := slices.Clone(e)
	b := builder{rules: rules, secrets: map[string]Variable{}}
	for _, v := range selected {
		name := v.FileName()
		named := func(other Variable) bool { return rules.id(other.Name) == rules.id(name) }
		if i := slices.IndexFunc(out, named); i >= 0 && !out[i].Inherited() {
			return nil, nil, &ClashError{Service: v.Service, Name: name, Keys: []string{v.Key, out[i].Key}}
		}
		if refused(name) && !rules.allows(name) {
			return nil, nil, &DangerousError{Service: v.Service, Key: v.Key, Name: name}
		}
		path, err := write(v)
		if err != nil {
			return nil, nil, err
		}
		b.secrets[rules.id(name)] = Variable{Name: name, Service: v.Service, Key: v.Key}
		out = slices.DeleteFunc(out, named)
		out[slices.IndexFunc(out, func(other Variable) bool { return other.Name == v.Name })].File = path
	}
	b.noticeDangerous()
	return out, b.notices, nil
}

// SelectSecrets returns the secrets that a pattern selects, as one of [Rules].Only does. There is at least one:
// otherwise the error is an [*UnmatchedError].
func (e Environment) SelectSecrets(pattern string) (selected []Variable, err error) {
	if err := checkPatterns([]string{pattern}, nil); err != nil {
		return nil, err
	}
	keys := map[string][]string{} // by service
	secrets := slices.DeleteFunc(e.Secrets(), func(v Variable) bool { return v.Name == "" })
	for _, v := range secrets {
		keys[v.Service] = append(keys[v.Service], v.Key)
	}
	chosen := map[string]Choice{}
	for service := range keys {
		if chosen[service], err = Choose(service, keys[service], []string{pattern}, nil); err != nil {
			return nil, err
		}
	}
	for _, v := range secrets {
		if chosen[v.Service].Keys[v.Key] {
			selected = append(selected, v)
		}
	}
	if len(selected) == 0 {
		return nil, &UnmatchedError{Pattern: pattern}
	}
	return selected, nil
}

// SelectOne returns the one secret that a pattern selects. If it selects several, the error wraps
// [store.ErrInvalid].
func (e Environment) SelectOne(pattern string) (Variable, error) {
	selected, err := e.SelectSecrets(pattern)
	if err == nil && len(selected) > 1 {
		err = fmt.Errorf("%w: %q matches several secrets: %s and %s", store.ErrInvalid, pattern,
			secretName(selected[0].Service, selected[0].Key), secretName(selected[1].Service, selected[1].Key))
	}
	if err != nil {
		return Variable{}, err
	}
	return selected[0], nil
}
