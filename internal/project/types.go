package project

import (
	"bytes"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Type is a type of values, with what a person reads about it.
type Type struct {
	Name, About string
	// fault returns what is wrong with a value, without any part of it; "" if nothing is. It takes
	// time in proportion to the length of the value.
	fault func(value string) string
}

// Types returns the types that a file can name.
func Types() []Type {
	return []Type{
		{"string", "any value", func(string) string { return "" }},
		{"url", "scheme://host, with a port from 1 to 65535 if any. Several hosts, as for MongoDB, and jdbc: are accepted", urlFault},
		{"port", "a whole number from 1 to 65535", portFault},
		{"int", "a whole number, such as -3", intFault},
		{"bool", "true, false, 1 or 0, in any case", boolFault},
		{"json", "one JSON value", jsonFault},
		{"base64", "base64, standard or URL-safe, with or without padding and line breaks", base64Fault},
		{"pem", "PEM blocks, and nothing but text between them", pemFault},
		{"pem-certificate", "PEM blocks, all of them certificates", certificateFault},
		{"pem-private-key", "one PEM block with a private key", privateKeyFault},
	}
}

// TypeNames returns the names of the types.
func TypeNames() []string {
	var names []string
	for _, t := range Types() {
		names = append(names, t.Name)
	}
	return names
}

// Fault returns what is wrong with a value of a type, for a sentence that begins with the name of the
// secret; "" if nothing is. It has no part of the value.
func Fault(typ, value string) string {
	for _, t := range Types() {
		if t.Name == typ {
			return t.fault(value)
		}
	}
	return ""
}

// withSpace adds the usual reason for a value that is no number: what surrounds it.
func withSpace(fault, value string) string {
	switch {
	case value == "":
		return fault + ": it is empty"
	case strings.HasSuffix(value, "\n"):
		return fault + ": it ends with a newline"
	case strings.TrimSpace(value) != value:
		return fault + ": it has spaces around it"
	}
	return fault
}

func isPort(text string) bool {
	n, err := strconv.Atoi(text)
	return err == nil && 1 <= n && n <= 65535 && strconv.Itoa(n) == text
}

func portFault(value string) string {
	if isPort(value) {
		return ""
	}
	return withSpace("is not a port (1 to 65535)", value)
}

func intFault(value string) string {
	if digits := strings.TrimPrefix(value, "-"); digits != "" && strings.Trim(digits, "0123456789") == "" {
		return ""
	}
	return withSpace("is not a whole number", value)
}

func boolFault(value string) string {
	switch strings.ToLower(value) {
	case "true", "false", "1", "0":
		return ""
	}
	return withSpace("is not true, false, 1 or 0", value)
}

// urlFault checks what every reader of a URL needs. net/url is not used: it refuses several hosts, which
// URLs of databases have, and accepts a password with "/" or "#" as a host.
func urlFault(value string) string {
	bad := func(why string) string { return "is not a URL: " + why }
	if strings.ContainsFunc(value, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		return withSpace("is not a URL", value) // or has a space inside
	}
	name, rest, ok := strings.Cut(strings.TrimPrefix(value, "jdbc:"), "://")
	if !ok || !isScheme(name) {
		return withSpace("is not a URL (SCHEME://HOST)", value)
	}
	authority := rest
	if end := strings.IndexAny(rest, "/?#"); end >= 0 {
		authority = rest[:end]
	}
	hosts := authority[strings.LastIndexByte(authority, '@')+1:]
	if !escaped(value) {
		return bad(`it has a "%" that two hexadecimal digits don't follow; a password in a URL must be URL-encoded`)
	}
	for host := range strings.SplitSeq(hosts, ",") {
		name, port := host, ""
		if i := strings.LastIndexByte(host, ':'); i > strings.LastIndexByte(host, ']') {
			name, port = host[:i], host[i+1:]
			if !isPort(port) {
				return bad("its port is not a number from 1 to 65535; a password in a URL must be URL-encoded")
			}
		}
		if name == "" {
			return bad("it has no host")
		}
	}
	return ""
}

// isScheme reports whether a text is the scheme of a URL.
func isScheme(text string) bool {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	return text != "" && strings.Contains(letters, text[:1]) && strings.Trim(text, letters+"0123456789+.-") == ""
}

// escaped reports whether two hexadecimal digits follow each "%" of a text.
func escaped(text string) bool {
	for i := strings.IndexByte(text, '%'); i >= 0; i = strings.IndexByte(text, '%') {
		if text = text[i+1:]; len(text) < 2 || strings.Trim(text[:2], "0123456789abcdefABCDEF") != "" {
			return false
		}
	}
	return true
}

func jsonFault(value string) string {
	if json.Valid([]byte(value)) && utf8.ValidString(value) {
		return ""
	}
	if value == "" {
		return "is not valid JSON: it is empty"
	}
	return "is not valid JSON"
}

func base64Fault(value string) string {
	text := strings.NewReplacer("\n", "", "\r", "").Replace(value)
	if text == "" {
		return "is not base64: it is empty"
	}
	encoding := base64.RawStdEncoding
	if strings.ContainsAny(text, "-_") {
		encoding = base64.RawURLEncoding
	}
	padded := strings.HasSuffix(text, "=")
	if padded {
		encoding = encoding.WithPadding(base64.StdPadding)
	}
	if _, err := encoding.Strict().DecodeString(text); err != nil {
		if strings.ContainsAny(text, " \t") {
			return "is not base64: it has spaces"
		}
		return "is not base64"
	}
	return ""
}

// blocks returns the types of the PEM blocks of a value, or what is wrong. It doesn't parse keys: the
// checks of an RSA key's primes can take minutes.
func blocks(value string) (types []string, fault string) {
	rest := []byte(value)
	begins := bytes.Count(rest, []byte("-----BEGIN "))
	for len(rest) > 0 {
		block, after := pem.Decode(rest)
		if block == nil {
			break
		}
		types, rest = append(types, block.Type), after
		if fault := derFault(block); fault != "" {
			return nil, fault
		}
	}
	switch {
	case len(types) == 0 && strings.Contains(value, `\n`) && begins > 0:
		return nil, `is not PEM: it has \n where line breaks must be`
	case len(types) == 0:
		return nil, withSpace("is not PEM: it has no whole block", strings.TrimSpace(value))
	case len(types) != begins:
		return nil, "is not PEM: one of its blocks is damaged"
	}
	return types, ""
}

// derFault returns what is wrong with the content of a block, as far as it is ASN.1.
func derFault(block *pem.Block) string {
	if strings.HasPrefix(block.Type, "OPENSSH ") || strings.HasPrefix(block.Type, "PGP ") || block.Headers["DEK-Info"] != "" {
		return "" // not ASN.1, or encrypted
	}
	var content asn1.RawValue
	if rest, err := asn1.Unmarshal(block.Bytes, &content); err != nil || len(rest) > 0 || content.Tag != asn1.TagSequence {
		return "is not PEM: the content of a block is damaged"
	}
	return ""
}

func pemFault(value string) string {
	_, fault := blocks(value)
	return fault
}

func certificateFault(value string) string {
	types, fault := blocks(value)
	for _, t := range types {
		if t != "CERTIFICATE" && t != "TRUSTED CERTIFICATE" && t != "X509 CERTIFICATE" {
			return "is not a PEM certificate: it has a block of another kind"
		}
	}
	return fault
}

func privateKeyFault(value string) string {
	types, fault := blocks(value)
	keys := 0
	for _, t := range types {
		switch {
		case strings.HasSuffix(t, "PRIVATE KEY"):
			keys++
		case t == "EC PARAMETERS": // openssl writes them before the key
		default:
			return "is not a PEM private key: it has a block of another kind"
		}
	}
	if fault == "" && keys != 1 {
		return "is not one PEM private key: it has " + strconv.Itoa(keys) + " of them"
	}
	return fault
}
