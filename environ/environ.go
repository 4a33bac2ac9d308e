// Package environ builds the environment of a child process from the parent's environment, the
// secrets of services, and rules. It reads nothing of the system, except in [SystemLimits].
//
// All values, also inherited ones, are of type [store.Value], so printing an environment or an error
// never prints a value.
package environ

import (
	"cmp"
	"slices"
	"sort"
	"strings"

	"github.com/coffer-secrets/coffer/store"
)

// Var is one secret of a service, before it has the name of a variable.
type Var struct {
	Key   string
	Value store.Value
	Name  string // of the variable; "" for the one that [Name] makes of the key and [Rules].Prefix
}

// name returns the name of the variable. The error is a [*NameError].
func (v Var) name(prefix string) (string, error) {
	if v.Name == "" {
		return Name(v.Key, prefix)
	}
	if strings.Trim(v.Name, nameBytes) != "" || '0' <= v.Name[0] && v.Name[0] <= '9' {
		return "", &NameError{Key: v.Key, Name: v.Name}
	}
	return v.Name, nil
}

// Layer is the secrets of one service. A later layer overrides an earlier one.
type Layer struct {
	Service string
	Vars    []Var
	LeftOut []string // keys that the [Rules] leave out and that have no Var: patterns may name them
}

// Layers returns the secrets of services as layers, in the same order.
func Layers(services ...store.Contents) []Layer {
	out := make([]Layer, len(services))
	for i, c := range services {
		out[i].Service, out[i].LeftOut = c.Service, c.LeftOut
		for _, s := range c.Secrets {
			out[i].Vars = append(out[i].Vars, Var{Key: s.ID.Key, Value: s.Value})
		}
	}
	return out
}

// Rules set which variables the child inherits, and which secrets become variables. The zero value
// inherits everything except coffer's own variables, and adds every secret.
//
// Keys are looked up as secrets are: a name means exactly that key, else the only one that differs just
// in case. Globs are compared without regard to case. Names of variables are compared
// exactly, unless FoldCase is set.
type Rules struct {
	FoldCase bool // Path and PATH are one variable, as on Windows

	Prefix string // put before the name of each variable made from a secret, unchanged

	Only   []string // globs of path.Match, or names: when there are any, other keys are left out
	Except []string // globs of path.Match, or names: keys left out
	Skip   []string // keys left out, even if they can't be names of variables

	AllowUnmatched bool // a pattern of Only that matches no key is a notice, not an error

	Pristine      bool     // inherit nothing
	StripPrefixes []string // inherited variables left out, besides those that begin with COFFER_
	NoAWS         bool     // inherited AWS credentials left out (the region stays)

	// AllowEnv are names of dangerous variables that a secret may set.
	AllowEnv []string

	// Strict, if not nil, is the value that marks variables of the parent to fill. Then only those are
	// filled. It is an error if no secret for one of them, or if the parent sets the variable of a
	// secret to another value.
	Strict *string

	// KeepGoing makes a secret that can't be a variable a [LeftOut] notice instead of an error.
	KeepGoing bool
}

// Variable is one NAME=value. Service and Key are the secret that it was made from, or empty for an
// inherited variable.
type Variable struct {
	Name         string // "" for a secret that is only a part of another variable's value
	Value        store.Value
	Service, Key string

	// File is the path of a file with the value; see [Environment.PassInFiles]. If it isn't "", the child
	// gets that path and not the value, in the variable [Variable.FileName].
	File string
}

// Inherited reports whether the variable is the parent's.
func (v Variable) Inherited() bool { return v.Key == "" }

// Environment is a list of variables with distinct names. execve would pass duplicates, and programs
// differ in which one they use.
type Environment []Variable

// Strings returns the environment as NAME=value strings, for execve. It reveals values.
func (e Environment) Strings() []string {
	env := make([]string, 0, len(e))
	for _, v := range e {
		if name, value := v.passed(); name != "" {
			env = append(env, name+"="+value)
		}
	}
	return env
}

// passed returns what the child gets; an empty name for nothing.
func (v Variable) passed() (name, value string) {
	if v.File != "" {
		return v.FileName(), v.File
	}
	return v.Name, v.Value.Reveal()
}

// Secrets returns the variables that were made from secrets, sorted by name.
func (e Environment) Secrets() Environment {
	return slices.DeleteFunc(slices.Clone(e), Variable.Inherited)
}

// Build returns the child's environment: first the inherited variables of parent (NAME=value strings)
// in their order, then the secrets, sorted by name. If parent has a name several times, the last value
// counts. It drops strings that are not NAME=value.
//
// Errors are [*PrefixError], [*NameError], [*ClashError], [*DangerousError], [*UnfilledError],
// [*OccupiedError] and [*PatternError], or [Problems] for several of them. All wrap [store.ErrInvalid].
// An [*UnmatchedError] wraps [store.ErrNotFound].
func Build(parent []string, layers []Layer, rules Rules) (Environment, []Notice, error) {
	inherited := rules.inherit(parent)
	b := builder{rules: rules, secrets: map[string]Variable{}, replaced: map[string]Variable{}}
	layers, notices, err := Select(layers, rules)
	if err != nil {
		return nil, nil, err
	}
	b.notices = notices
	if err := b.checkPrefix(layers); err != nil {
		return nil, nil, err
	}
	if rules.Strict != nil {
		b.expected = rules.index(inherited)
	}
	for _, layer := range layers {
		b.add(layer)
	}
	b.checkStrict()
	if len(b.problems) > 0 {
		return nil, nil, b.problems.err()
	}
	b.noticeReplaced()
	b.noticeDangerous()
	return b.assemble(inherited), b.notices, nil
}

// id returns the name under which a variable is looked up.
func (r Rules) id(name string) string {
	if r.FoldCase {
		return strings.ToUpper(name)
	}
	return name
}

// inherit parses the parent's environment.
func (r Rules) inherit(parent []string) Environment {
	env := make(Environment, 0, len(parent))
	at := make(map[string]int, len(parent))
	for _, entry := range parent {
		name, value, ok := cut(entry)
		if !ok {
			continue
		}
		v := Variable{Name: name, Value: store.NewValue(value)}
		if i, ok := at[r.id(name)]; ok {
			env[i] = v
			continue
		}
		at[r.id(name)] = len(env)
		env = append(env, v)
	}
	return env
}

// cut splits NAME=value. A name may begin with "=": Windows keeps the current directory of
// each drive in a variable like "=C:".
func cut(entry string) (name, value string, ok bool) {
	if entry == "" {
		return "", "", false
	}
	i := strings.IndexByte(entry[1:], '=') + 1
	if i == 0 {
		return "", "", false
	}
	return entry[:i], entry[i+1:], true
}

// index returns the variables by their id.
func (r Rules) index(env Environment) map[string]Variable {
	byName := make(map[string]Variable, len(env))
	for _, v := range env {
		byName[r.id(v.Name)] = v
	}
	return byName
}

// builder collects the secrets of all layers.
type builder struct {
	rules    Rules
	expected map[string]Variable // with Strict, the parent's variables by [Rules.id]; else nil
	secrets  map[string]Variable // by [Rules.id], of the last layer that has it
	replaced map[string]Variable // by [Rules.id], of the layer that the last one overrides
	notices  []Notice
	problems Problems
}

// checkPrefix returns an error if no variable can begin with the prefix. KeepGoing doesn't apply, as
// all secrets would be left out. The error has the name that the first secret would have.
func (b *builder) checkPrefix(layers []Layer) error {
	if _, err := Name("key", b.rules.Prefix); err == nil {
		return nil
	}
	for _, layer := range layers {
		for _, v := range layer.Vars {
			return &PrefixError{Prefix: b.rules.Prefix, Name: plainName(v.Key, b.rules.Prefix)}
		}
	}
	return &PrefixError{Prefix: b.rules.Prefix, Name: plainName("key", b.rules.Prefix)}
}

// add adds the secrets of one layer.
func (b *builder) add(layer Layer) {
	named := make(map[string][]Variable, len(layer.Vars))
	for _, v := range layer.Vars {
		name, err := v.name(b.rules.Prefix)
		if err == nil && b.expected != nil {
			if _, ok := b.expected[b.rules.id(name)]; !ok {
				continue
			}
		}
		switch {
		case err != nil && b.expected != nil: // no variable of the parent has such a name
		case err != nil:
			b.problem(&NameError{Service: layer.Service, Key: v.Key, Name: cmp.Or(v.Name, plainName(v.Key, b.rules.Prefix))})
		case refused(name) && !b.rules.allows(name):
			b.problem(&DangerousError{Service: layer.Service, Key: v.Key, Name: name})
		default:
			id := b.rules.id(name)
			named[id] = append(named[id], Variable{Name: name, Value: v.Value, Service: layer.Service, Key: v.Key})
		}
	}
	for _, id := range sortedNames(named) {
		b.set(layer.Service, named[id])
	}
}

// set sets a variable. candidates are the secrets of the service that have its name; more than one is
// an error.
func (b *builder) set(service string, candidates []Variable) {
	v := candidates[0]
	if len(candidates) > 1 {
		keys := make([]string, len(candidates))
		for i, c := range candidates {
			keys[i] = c.Key
		}
		slices.Sort(keys)
		b.problem(&ClashError{Service: service, Name: v.Name, Keys: keys})
		return
	}
	id := b.rules.id(v.Name)
	if earlier, ok := b.secrets[id]; ok && earlier.Service != service {
		b.replaced[id] = earlier
	}
	b.secrets[id] = v
}

// problem records why a secret cannot be a variable.
func (b *builder) problem(err error) {
	if b.rules.KeepGoing {
		b.notices = append(b.notices, Notice{Kind: LeftOut, Text: err.Error(), Err: err})
		return
	}
	b.problems = append(b.problems, err)
}

// checkStrict checks the rules of Strict, once all layers are added: a secret of any service fills a
// variable.
func (b *builder) checkStrict() {
	if b.expected == nil {
		return
	}
	var unfilled []string
	for id, v := range b.expected {
		secret, filled := b.secrets[id]
		switch marked := v.Value.Reveal() == *b.rules.Strict; {
		case filled && !marked:
			b.problems = append(b.problems, &OccupiedError{Service: secret.Service, Key: secret.Key, Name: v.Name})
		case marked && !filled:
			unfilled = append(unfilled, v.Name)
		}
	}
	sort.Slice(b.problems, func(i, j int) bool { return b.problems[i].Error() < b.problems[j].Error() })
	if len(unfilled) > 0 {
		slices.Sort(unfilled)
		b.problems = append(b.problems, &UnfilledError{Names: unfilled})
	}
}

// assemble returns the inherited variables that no secret replaces, and then the secrets.
func (b *builder) assemble(inherited Environment) Environment {
	env := make(Environment, 0, len(inherited)+len(b.secrets))
	for _, v := range inherited {
		if _, replaced := b.secrets[b.rules.id(v.Name)]; !replaced && b.rules.inherits(b.rules.id(v.Name)) {
			env = append(env, v)
		}
	}
	for _, name := range sortedNames(b.secrets) {
		env = append(env, b.secrets[name])
	}
	return env
}
