// Package foreign makes the messages of servers, proxies, helper programs and parsers safe to print.
// Our own sentence comes first. Theirs follows on one line, shortened, and without anything that looks
// like a credential or is known to be one.
//
// Secret keys, session tokens, JSON web tokens, passwords in URLs, signatures and private keys are
// credentials. The id of an access key is not one: it says whose request was refused, and AWS itself
// writes it to its logs.
package foreign

import (
	"regexp"
	"slices"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

const (
	// Longest is the number of characters of a foreign text that are shown.
	Longest = 200

	// shortest is the length from which a known secret is searched for. A shorter one would be found
	// in the words of a sentence.
	shortest = 8

	// Hidden is shown in the place of a credential.
	Hidden = "[hidden]"
)

// Text returns a foreign text for a message: without credentials, on one line, and at most [Longest]
// characters. Control characters other than line breaks remain, for the printer to escape.
func Text(text string, known ...string) string {
	text = strings.Join(strings.FieldsFunc(Bare(text, known...), unicode.IsSpace), " ")
	if utf8.RuneCountInString(text) <= Longest {
		return text
	}
	// Only whole words are left: a part of a secret could no longer be recognised.
	words := string([]rune(text)[:Longest-1])
	return words[:max(0, strings.LastIndexByte(words, ' '))] + "…"
}

// Bare returns a text without the known secrets, and without whatever looks like a credential.
func Bare(text string, known ...string) string {
	text = replace(Sentence(text, known...), named())
	for _, pattern := range bare() {
		text = pattern.ReplaceAllStringFunc(text, func(found string) string {
			if looksRandom(found) {
				return Hidden
			}
			return found
		})
	}
	return text
}

// Sentence returns a sentence of our own without the known secrets, and without what is marked as a
// credential, such as the password in a URL. It keeps names and paths that only look like one.
func Sentence(text string, known ...string) string {
	known = slices.Clone(known)
	slices.SortFunc(known, func(a, b string) int { return len(b) - len(a) }) // a secret may contain another
	for _, secret := range known {
		if len(secret) >= shortest {
			text = strings.ReplaceAll(text, secret, Hidden)
		}
	}
	return replace(text, marked())
}

// replace hides what the patterns match, but their groups.
func replace(text string, patterns []*regexp.Regexp) string {
	for _, pattern := range patterns {
		text = pattern.ReplaceAllString(text, "${1}"+Hidden+"${2}")
	}
	return text
}

// IsCredential reports whether a whole value is one credential.
func IsCredential(value string) bool { return value != "" && Bare(value) == Hidden }

// LooksSecret reports whether a whole value looks like the secret key of AWS.
func LooksSecret(value string) bool { return len(value) == 40 && Bare(value) == Hidden }

// marked are credentials that their surroundings or their form show. Groups stay.
var marked = sync.OnceValue(func() []*regexp.Regexp { //nolint:gochecknoglobals // compiled patterns, but not before one is needed
	return []*regexp.Regexp{
		regexp.MustCompile(`()-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*-----|$)`),
		regexp.MustCompile(`()AGE-(?:SECRET-KEY|PLUGIN)-[A-Z0-9-]+`),
		regexp.MustCompile(`()\beyJ[\w-]{8,}\.[\w-]+(?:\.[\w-]*)?`), // a JSON web token
		regexp.MustCompile(`(://[^\s/@:"']*:)[^\s/@"']+(@)`),        // the password in a URL
		regexp.MustCompile(`(?i)(\b(?:X-Amz-(?:Signature|Security-Token|Credential)|Signature)=)[^\s&"',<>]+`),
	}
})

// named are credentials behind a word that names them. In a sentence of our own the word is the name of
// a secret.
var named = sync.OnceValue(func() []*regexp.Regexp { //nolint:gochecknoglobals // compiled patterns, but not before one is needed
	return []*regexp.Regexp{
		regexp.MustCompile(`(?i)(\b(?:Bearer|Basic) )[\w.~+/=-]{8,}`),
		regexp.MustCompile(`(?i)((?:secret[_-]?access[_-]?key|(?:session|security|access|id|auth|refresh)[_-]?token|password|passwd|secret[_-]?key|private[_-]?key|api[_-]?key|client[_-]?secret)\\?["']?\s*[:=>]\s*\\?["']?)[^\s"'\\,;<>&}]+`),
	}
})

// bare are forms that a secret key (40 characters) or a session token (many more) has, but also
// some other texts.
var bare = sync.OnceValue(func() []*regexp.Regexp { //nolint:gochecknoglobals // compiled patterns, but not before one is needed
	return []*regexp.Regexp{
		regexp.MustCompile(`[A-Za-z0-9/+]{40,}={0,2}`),
		regexp.MustCompile(`[A-Za-z0-9_-]{60,}={0,2}`),
	}
})

// looksRandom reports whether a run of characters can be a credential, and isn't a digest in
// hexadecimal or a path.
func looksRandom(run string) bool {
	if strings.HasPrefix(run, "/") || strings.Trim(run, "0123456789abcdef") == "" {
		return false
	}
	var upper, lower, digit bool
	for _, r := range run {
		upper, lower, digit = upper || unicode.IsUpper(r), lower || unicode.IsLower(r), digit || unicode.IsDigit(r)
	}
	return upper && lower && digit
}
