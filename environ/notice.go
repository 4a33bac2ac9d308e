package environ

import (
	"fmt"
	"strings"
)

// Kind is the kind of a notice.
type Kind int

// The kinds of notice.
const (
	Replaced  Kind = iota // the secret of a later service overrides that of an earlier one
	Dangerous             // a secret sets a variable that can change what a program runs or whom it trusts
	LeftOut               // a secret can't be a variable and was left out, with [Rules].KeepGoing
	Unmatched             // no key matches a pattern or a name to skip
)

// Notice is a warning for a person. Text has no value in it; names from storage are quoted.
type Notice struct {
	Kind  Kind
	Text  string
	Names []string // of Replaced and Dangerous: the variables, sorted
	Err   error    // of LeftOut: the reason
}

func unmatched(what, given string) Notice {
	return Notice{Kind: Unmatched, Text: fmt.Sprintf("no key matches the %s %q", what, given)}
}

// noticeReplaced adds one notice for all variables that more than one service sets.
func (b *builder) noticeReplaced() {
	if len(b.replaced) == 0 {
		return
	}
	names := sortedNames(b.replaced)
	list := make([]string, len(names))
	for i, name := range names {
		list[i] = fmt.Sprintf("%s (%q over %q)", name, b.secrets[name].Service, b.replaced[name].Service)
	}
	b.notices = append(b.notices, Notice{
		Kind:  Replaced,
		Text:  "set by more than one service (the last one is used): " + strings.Join(list, ", "),
		Names: names,
	})
}

func (b *builder) noticeDangerous() {
	var names, list []string
	for _, name := range sortedNames(b.secrets) {
		if noticed(name) && !b.rules.allows(name) {
			names = append(names, name)
			list = append(list, fmt.Sprintf("%s (from %s)", name, secretName(b.secrets[name].Service, b.secrets[name].Key)))
		}
	}
	if len(names) == 0 {
		return
	}
	b.notices = append(b.notices, Notice{
		Kind:  Dangerous,
		Text:  "secrets set variables that can change what a program runs or whom it trusts: " + strings.Join(list, ", "),
		Names: names,
	})
}
