// Package formats encodes secrets in the formats of other programs, and decodes them. It opens no
// files.
//
// Values are never changed: if a format can't represent one, the error is a [*ValueError] with the
// key. No error of this package quotes values, or any part of a file except keys.
package formats

import (
	"bytes"
	"fmt"
	"io"
	"path/filepath"
	"regexp"
	"slices"
	"sort"
	"strings"
	"unicode/utf8"

	"github.com/coffer-secrets/coffer/store"
)

// MaxInput is the largest file that [Decode] reads, in bytes.
const MaxInput = 64 << 20

// Pair is one secret: its key in the store and its value.
type Pair struct {
	Key   string
	Value store.Value
}

// Options are options for writing and reading. The zero value works for every format except k8s,
// which needs Name.
type Options struct {
	Name         string // k8s, writing: metadata.name, a DNS subdomain
	Immutable    bool   // k8s, writing: the values can't be changed
	Prefix       string // formats of variables, writing: put before each name
	PreserveCase bool   // formats of variables, writing: names keep the case of their keys
	Flatten      string // json, yaml, toml, reading: separator to join the keys of nested maps; "" refuses nested maps
}

// format is a row of the table of formats.
type format struct {
	name       string
	aliases    []string
	extensions []string
	variables  bool // it has environment variables
	encode     *encoder
	decode     func(body []byte, c *collector) error // nil if the format is not read
}

// encoder writes a format.
type encoder struct {
	name  func(key string, o Options) (string, error) // the name for a key; nil: the key itself
	check func(e entry) string                        // why an entry can't be written, "" if it can; nil: all can
	write func(b *bytes.Buffer, entries []entry, o Options) error
}

// entry is a pair to write, with its name in the file.
type entry struct{ key, name, value string }

func table() []format {
	return []format{
		{name: "json", extensions: []string{".json"}, encode: &encoder{write: writeJSON}, decode: readJSON},
		{name: "yaml", aliases: []string{"yml"}, extensions: []string{".yaml", ".yml"}, encode: &encoder{write: writeYAML}, decode: readYAML},
		{name: "dotenv", aliases: []string{"env"}, extensions: []string{".env"}, variables: true, encode: dotenvEncoder(dotenvText), decode: readDotenv},
		{name: "dotenv-literal", variables: true, encode: dotenvEncoder(dotenvLiteral), decode: readDotenv},
		{name: "shell", aliases: []string{"sh"}, extensions: []string{".sh"}, variables: true, encode: &encoder{name: envName, write: writeShell}},
		{name: "fish", extensions: []string{".fish"}, variables: true, encode: &encoder{name: envName, write: writeFish}},
		{name: "powershell", aliases: []string{"pwsh"}, extensions: []string{".ps1"}, variables: true, encode: &encoder{name: envName, check: checkPowerShell, write: writePowerShell}},
		{name: "nushell", aliases: []string{"nu"}, variables: true, encode: &encoder{name: envName, write: writeNushell}},
		{name: "shell-escaped", variables: true, encode: &encoder{name: envName, write: writeShellEscaped}},
		{name: "csv", extensions: []string{".csv"}, encode: &encoder{write: writeCSV}, decode: readCSV},
		{name: "tsv", extensions: []string{".tsv"}, encode: &encoder{write: writeTSV}, decode: readTSV},
		{name: "java-properties", aliases: []string{"properties"}, extensions: []string{".properties"}, encode: &encoder{write: writeProperties}, decode: readProperties},
		{name: "tfvars", extensions: []string{".tfvars"}, encode: &encoder{name: tfName, check: checkTfvars, write: writeTfvars}},
		{name: "toml", extensions: []string{".toml"}, encode: &encoder{write: writeTOML}, decode: readTOML},
		{name: "docker", aliases: []string{"docker-env"}, variables: true, encode: &encoder{name: envName, check: checkDocker, write: writeDocker}},
		{name: "systemd", variables: true, encode: &encoder{name: envName, write: writeSystemd}},
		{name: "k8s", aliases: []string{"kubernetes"}, encode: &encoder{check: checkK8s, write: writeK8s}},
		{name: "github-env", variables: true, encode: &encoder{name: envName, check: checkGitHubEnv, write: writeGitHubEnv}},
		{name: "github-mask", encode: &encoder{write: writeGitHubMask}},
		{name: "gitlab", variables: true, encode: &encoder{name: envName, check: checkGitLab, write: writeGitLab}},
	}
}

// Names lists the formats that [Encode] writes.
func Names() []string { return names(func(f format) bool { return f.encode != nil }) }

// ImportNames lists the formats that [Decode] reads.
func ImportNames() []string { return names(func(f format) bool { return f.decode != nil }) }

// Variables reports whether a format has environment variables, whose names can change what programs
// do. The error is that of [Encode] for an unknown format.
func Variables(name string) (bool, error) {
	f, err := find(name, Names())
	return f.variables, err
}

// Is reports whether a name, in any case, or an alias is that of a format.
func Is(name, format string) bool {
	f, err := find(name, Names())
	return err == nil && f.name == format
}

func names(has func(format) bool) []string {
	var all []string
	for _, f := range table() {
		if has(f) {
			all = append(all, f.name)
		}
	}
	return all
}

// ByName returns the format of a file by its name; "" if the name doesn't determine it. ".env",
// ".env.local", ".envrc" and "env" are dotenv.
func ByName(path string) string {
	base := strings.ToLower(filepath.Base(path))
	if base == "env" || base == ".envrc" || strings.HasPrefix(base, ".env.") {
		return "dotenv"
	}
	for _, f := range table() {
		if slices.Contains(f.extensions, filepath.Ext(base)) {
			return f.name
		}
	}
	return ""
}

// ByContent guesses the format of a text: json if it begins like an object, else yaml.
func ByContent(body []byte) string {
	body = bytes.TrimLeft(bytes.TrimPrefix(body, []byte("\ufeff")), " \t\r\n")
	if after, ok := bytes.CutPrefix(body, []byte("{")); ok {
		if after = bytes.TrimLeft(after, " \t\r\n"); len(after) > 0 && (after[0] == '"' || after[0] == '}') {
			return "json"
		}
	}
	return "yaml"
}

// Candidates returns the formats that a text may have: those in which it decodes to at least one
// value that isn't empty.
func Candidates(body []byte, o Options) []string {
	return names(func(f format) bool {
		if f.decode == nil || f.name == "dotenv-literal" { // it is read like dotenv
			return false
		}
		if f.name == "java-properties" && !plainProperties(body) {
			return false
		}
		pairs, err := Decode(bytes.NewReader(body), f.name, o)
		return err == nil && slices.ContainsFunc(pairs, func(p Pair) bool { return p.Value.Len() > 0 })
	})
}

// LikeDotenv reports whether the first line of a text, but for comments, assigns a variable as in
// dotenv. The rest may be wrong.
func LikeDotenv(body []byte) bool {
	return regexp.MustCompile(`\A(?:\x{feff})?(?:\s*#.*\n)*\s*(?:export[ \t]+)?[A-Za-z_][A-Za-z0-9_]*=`).Match(body)
}

// Encode writes the pairs in a format, sorted by key. If any of them can't be written, it writes
// nothing. The error is a [*ValueError], a [*NameError], another one that wraps [store.ErrInvalid],
// or the error of the writer.
func Encode(w io.Writer, name string, pairs []Pair, o Options) error {
	f, err := find(name, Names())
	if err != nil {
		return err
	}
	entries, err := f.entries(pairs, o)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	if err := f.encode.write(&b, entries, o); err != nil {
		return err
	}
	_, err = w.Write(b.Bytes())
	return err
}

// entries sorts the pairs, gets their names and checks them.
func (f format) entries(pairs []Pair, o Options) ([]entry, error) {
	sorted := slices.Clone(pairs)
	sort.Slice(sorted, func(i, j int) bool { return sorted[i].Key < sorted[j].Key })
	taken := make(map[string]string, len(pairs)) // name -> the key that has it
	entries := make([]entry, 0, len(pairs))
	for _, p := range sorted {
		// No format needs to escape the characters of a valid key.
		if err := store.CheckKey(p.Key); err != nil {
			return nil, err
		}
		e := entry{key: p.Key, name: p.Key, value: p.Value.Reveal()}
		if f.encode.name != nil {
			name, err := f.encode.name(p.Key, o)
			if err != nil {
				return nil, fmt.Errorf("%w: %w", store.ErrInvalid, err)
			}
			e.name = name
		}
		if other, ok := taken[e.name]; ok {
			return nil, &NameError{Format: f.name, Name: e.name, Keys: [2]string{other, p.Key}}
		}
		taken[e.name] = p.Key
		if reason := f.whyNot(e); reason != "" {
			return nil, &ValueError{Format: f.name, Key: p.Key, Reason: reason}
		}
		entries = append(entries, e)
	}
	return entries, nil
}

// whyNot returns why an entry can't be written; "" if it can.
func (f format) whyNot(e entry) string {
	switch {
	case strings.ContainsRune(e.value, 0):
		return "it has a NUL"
	case !utf8.ValidString(e.value):
		return "it is not UTF-8 text"
	case f.encode.check == nil:
		return ""
	}
	return f.encode.check(e)
}

// Decode reads the pairs of a file, in the order of the file. Numbers, booleans and dates stay as they
// are written. It skips a byte order mark; an empty file has no pairs. Errors are lists, nulls, nested
// maps (unless o.Flatten joins their keys), duplicate keys and invalid keys. The error is a
// [*SyntaxError], a [*DuplicateError], another one that wraps [store.ErrInvalid], or the error of the
// reader.
func Decode(r io.Reader, name string, o Options) ([]Pair, error) {
	f, err := find(name, ImportNames())
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(io.LimitReader(r, MaxInput+1))
	if err != nil {
		return nil, err
	}
	c := newCollector(f.name, o.Flatten)
	if len(body) > MaxInput {
		return nil, c.fault(0, nil, fmt.Sprintf("the file is larger than %d MiB", MaxInput>>20))
	}
	if bytes.HasPrefix(body, []byte("\xff\xfe")) || bytes.HasPrefix(body, []byte("\xfe\xff")) {
		return nil, c.fault(1, nil, "the file is UTF-16; save it as UTF-8")
	}
	body = bytes.TrimPrefix(body, []byte("\ufeff"))
	if i := invalidUTF8(body); i >= 0 {
		return nil, c.fault(lineAt(body, i), nil, "the file is not UTF-8 text")
	}
	if err := f.decode(body, c); err != nil {
		return nil, err
	}
	return c.pairs, nil
}

func find(name string, among []string) (format, error) {
	name = strings.ToLower(name)
	for _, f := range table() {
		if slices.Contains(among, f.name) && (f.name == name || slices.Contains(f.aliases, name)) {
			return f, nil
		}
	}
	return format{}, fmt.Errorf("%w: unknown format %q; use one of %s", store.ErrInvalid, name, strings.Join(among, ", "))
}

func invalidUTF8(body []byte) int {
	for i := 0; i < len(body); {
		r, n := utf8.DecodeRune(body[i:])
		if r == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
	return -1
}

// lineAt returns the line of a byte offset, from 1.
func lineAt(body []byte, offset int) int {
	return 1 + bytes.Count(body[:min(offset, len(body))], []byte("\n"))
}
