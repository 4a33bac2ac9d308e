package app

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/coffer-secrets/coffer/store"
)

// FileConfig is the configuration file: settings, and named contexts that override them.
type FileConfig struct {
	FileSettings `yaml:",inline"`

	Context  string                  `yaml:"context"` // the default context
	Contexts map[string]FileSettings `yaml:"contexts"`

	path    string
	Chosen  Setting      // the name of the context in use
	context map[any]bool // pointers to the fields that the context sets
}

// FileSettings are the settings that the configuration file and each of its contexts may have.
type FileSettings struct {
	Backend     string `yaml:"backend"`
	Bucket      string `yaml:"bucket"`
	KMSKeyAlias string `yaml:"kms_key_alias"`
	Region      string `yaml:"region"`
	Profile     string `yaml:"profile"`
	EndpointURL string `yaml:"endpoint_url"`
	Retries     string `yaml:"retries"`
	RetryMode   string `yaml:"retry_mode"`
	Timeout     string `yaml:"timeout"`
	Dir         string `yaml:"dir"`
	KeyDir      string `yaml:"key_dir"`
	Identity    string `yaml:"identity"`

	ExpectedBucketOwner string            `yaml:"expected_bucket_owner"`
	KeyARNs             []string          `yaml:"key_arns"`
	Keys                map[string]string `yaml:"keys"`    // alias -> the server's name for its key
	KeyIDs              map[string]string `yaml:"key_ids"` // alias -> the id of the key of a team that it must have, or have had
	AllowUnencrypted    bool              `yaml:"allow_unencrypted"`
	SingleWriter        bool              `yaml:"single_writer"`
	AllowHTTP           bool              `yaml:"allow_http"`

	Cache        string `yaml:"cache"`         // of exec: a time, or off
	CacheKeyring string `yaml:"cache_keyring"` // true or false

	Mask     *bool  `yaml:"mask"` // of exec; a context may set it to false
	MaskText string `yaml:"mask_text"`

	MCPAllow      []string `yaml:"mcp_allow"` // commands that clients of coffer mcp may run
	WatchInterval string   `yaml:"watch_interval"`
	WatchOnChange string   `yaml:"watch_on_change"`
	WatchGrace    string   `yaml:"watch_grace"`
}

// ConfigFile reads the configuration file. It must exist only if it was configured by name. The
// working directory is never searched: it may belong to another user.
func (a *App) ConfigFile() (*FileConfig, error) {
	where := a.resolve("--config", a.Globals.Config, []string{"COFFER_CONFIG"}, "", "", "")
	path := where.Value
	if path == "" {
		base := a.baseDirectory("XDG_CONFIG_HOME", ".config")
		if base == "" {
			return &FileConfig{context: map[any]bool{}}, nil
		}
		path = filepath.Join(base, "coffer", "config.yaml")
	}
	body, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) && where.Value == "" {
		body, err = nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", store.ErrConfiguration, path, err)
	}
	file := &FileConfig{path: path, context: map[any]bool{}}
	if fault := file.decode(body); fault != "" {
		return nil, fmt.Errorf("%w: %s: %s", store.ErrConfiguration, path, fault)
	}
	return file, file.useContext(a.resolve("--context", a.Globals.Context, []string{"COFFER_CONTEXT"}, path, file.Context, ""))
}

// decode parses a file, which must have one document. It returns a description of the first fault.
func (f *FileConfig) decode(body []byte) (fault string) {
	decoder := yaml.NewDecoder(bytes.NewReader(body))
	decoder.KnownFields(true)
	if err := decoder.Decode(f); errors.Is(err, io.EOF) {
		return "" // nothing but comments
	} else if err != nil {
		return yamlFault(err)
	}
	var second yaml.Node
	if err := decoder.Decode(&second); !errors.Is(err, io.EOF) {
		return "it has more than one document"
	}
	return ""
}

// useContext overrides the settings with those of a context.
func (f *FileConfig) useContext(name Setting) error {
	if name.Value == "" {
		return nil
	}
	c, ok := f.Contexts[name.Value]
	if !ok {
		known := strings.Join(slices.Sorted(maps.Keys(f.Contexts)), ", ")
		return fmt.Errorf("%w: %s: no context %q in %s (contexts: %s)", store.ErrConfiguration, name.From, name.Value, f.path, cmp.Or(known, "none"))
	}
	f.Chosen = name
	override := func(to *string, v string) {
		if v != "" {
			*to, f.context[to] = v, true
		}
	}
	override(&f.Backend, c.Backend)
	override(&f.Bucket, c.Bucket)
	override(&f.KMSKeyAlias, c.KMSKeyAlias)
	override(&f.Region, c.Region)
	override(&f.Profile, c.Profile)
	override(&f.EndpointURL, c.EndpointURL)
	override(&f.Retries, c.Retries)
	override(&f.RetryMode, c.RetryMode)
	override(&f.Timeout, c.Timeout)
	override(&f.Dir, c.Dir)
	override(&f.KeyDir, c.KeyDir)
	override(&f.Identity, c.Identity)
	override(&f.Cache, c.Cache)
	override(&f.CacheKeyring, c.CacheKeyring)
	override(&f.MaskText, c.MaskText)
	override(&f.WatchInterval, c.WatchInterval)
	override(&f.WatchOnChange, c.WatchOnChange)
	override(&f.WatchGrace, c.WatchGrace)
	if c.Mask != nil {
		f.Mask, f.context[&f.Mask] = c.Mask, true
	}
	override(&f.ExpectedBucketOwner, c.ExpectedBucketOwner)
	if len(c.KeyARNs) > 0 {
		f.KeyARNs, f.context[&f.KeyARNs] = c.KeyARNs, true
	}
	if len(c.Keys) > 0 {
		f.Keys, f.context[&f.Keys] = c.Keys, true
	}
	if len(c.KeyIDs) > 0 {
		f.KeyIDs, f.context[&f.KeyIDs] = c.KeyIDs, true
	}
	// A setting that weakens a check applies only in the context that sets it.
	f.AllowUnencrypted, f.SingleWriter, f.AllowHTTP = c.AllowUnencrypted, c.SingleWriter, c.AllowHTTP
	f.MCPAllow, f.context[&f.MCPAllow] = c.MCPAllow, true
	f.context[&f.AllowUnencrypted], f.context[&f.SingleWriter], f.context[&f.AllowHTTP] = true, true, true
	return nil
}

// Path returns where the file is; "" if there is no place for it.
func (f *FileConfig) Path() string { return f.path }

// from returns where a setting was set: the file, with the context if it is the context's. The
// argument is a pointer to the field.
func (f *FileConfig) from(setting any) string {
	if f.context[setting] {
		return f.path + " (" + f.Chosen.Value + ")"
	}
	return f.path
}

// yamlFault describes the first fault of a file without quoting values, as the file may be one of
// secrets, and without the names of Go types.
func yamlFault(err error) string {
	// The errors of the decoder. Any other one means that the file is not YAML.
	var (
		unknownField = regexp.MustCompile(`line (\d+): field (\S+) not found`)
		wrongType    = regexp.MustCompile(`line (\d+): cannot unmarshal .*into (bool|string|\[\]string|)`)
		twice        = regexp.MustCompile(`line (\d+): mapping key "([^"]*)" already defined at line (\d+)`)
		faultLine    = regexp.MustCompile(`line \d+`)
	)
	text := err.Error()
	if m := unknownField.FindStringSubmatch(text); m != nil {
		return fmt.Sprintf("line %s: unknown setting %q", m[1], m[2])
	}
	if m := twice.FindStringSubmatch(text); m != nil {
		return fmt.Sprintf("line %s: %q is already set on line %s", m[1], m[2], m[3])
	}
	if m := wrongType.FindStringSubmatch(text); m != nil {
		expected := map[string]string{"bool": "true or false", "string": "a string", "[]string": "a list of strings", "": "a map of settings"}[m[2]]
		return fmt.Sprintf("line %s: expected %s", m[1], expected)
	}
	return cmp.Or(faultLine.FindString(text), "it") + ": not YAML"
}

// ConfigRow is a setting as coffer config prints it.
type ConfigRow struct {
	Name  string `json:"name"`
	Value string `json:"value"`
	From  string `json:"from"`
}

// Row returns the row of a setting.
func Row(name string, s Setting) ConfigRow {
	return ConfigRow{Name: name, Value: s.Value, From: s.From}
}

// OptionalRows returns the rows of settings that most stores don't need, if they are set.
func (s *Settings) OptionalRows(g *Globals) []ConfigRow {
	var rows []ConfigRow
	add := func(name string, v Setting) {
		if v.Value != "" {
			rows = append(rows, Row(name, v))
		}
	}
	f := s.File
	add("expected_bucket_owner", s.ExpectedBucketOwner)
	add("key_arns", s.KeyARNs)
	if s.Kind().Teams || s.Identity.From != fromDefault {
		add("identity", s.Identity)
	}
	for _, alias := range slices.Sorted(maps.Keys(f.Keys)) {
		add("keys."+alias, Setting{f.Keys[alias], f.from(&f.Keys)})
	}
	for _, alias := range slices.Sorted(maps.Keys(f.KeyIDs)) {
		add("key_ids."+alias, Setting{f.KeyIDs[alias], f.from(&f.KeyIDs)})
	}
	for _, v := range []struct {
		name   string
		inFile *bool
		flag   string
		given  bool
	}{
		{"allow_unencrypted", &f.AllowUnencrypted, "", false},
		{"single_writer", &f.SingleWriter, "--single-writer", g.SingleWriter},
		{"allow_http", &f.AllowHTTP, "--allow-http", g.AllowHTTP},
	} {
		if v.given {
			add(v.name, Setting{"true", v.flag})
		} else if *v.inFile {
			add(v.name, Setting{"true", f.from(v.inFile)})
		}
	}
	add("cache", Setting{f.Cache, f.from(&f.Cache)})
	add("cache_keyring", s.CacheKeyring)
	if f.Mask != nil {
		add("mask", Setting{strconv.FormatBool(*f.Mask), f.from(&f.Mask)})
	}
	add("mask_text", Setting{f.MaskText, f.from(&f.MaskText)})
	add("mcp_allow", Setting{strings.Join(f.MCPAllow, "; "), f.from(&f.MCPAllow)})
	add("watch_interval", Setting{f.WatchInterval, f.from(&f.WatchInterval)})
	add("watch_on_change", Setting{f.WatchOnChange, f.from(&f.WatchOnChange)})
	add("watch_grace", Setting{f.WatchGrace, f.from(&f.WatchGrace)})
	return rows
}
