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
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/coffer-secrets/coffer/store"
)

// FileConfig is the configuration file: settings, and named contexts whose settings beat
// those outside them.
type FileConfig struct {
	FileSettings `yaml:",inline"`

	Context  string                  `yaml:"context"` // the one that holds when none is named
	Contexts map[string]FileSettings `yaml:"contexts"`

	path    string
	Chosen  Setting      // the name of the context in force
	context map[any]bool // pointers to the settings that are the context's
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

	ExpectedBucketOwner string            `yaml:"expected_bucket_owner"`
	KeyARNs             []string          `yaml:"key_arns"`
	Keys                map[string]string `yaml:"keys"` // alias -> the name by which this server knows its key
	AllowUnencrypted    bool              `yaml:"allow_unencrypted"`
	SingleWriter        bool              `yaml:"single_writer"`
	AllowHTTP           bool              `yaml:"allow_http"`
}

// ConfigFile reads the configuration file. Only one that was asked for by name must exist;
// none is ever taken from the working directory, which may be anybody's.
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
	return file, file.choose(a.resolve("--context", a.Globals.Context, []string{"COFFER_CONTEXT"}, path, file.Context, ""))
}

// decode reads the one document of a file, and tells the first fault in it.
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
		return "it holds a second document"
	}
	return ""
}

// choose lays the settings of a context over the others.
func (f *FileConfig) choose(name Setting) error {
	if name.Value == "" {
		return nil
	}
	c, ok := f.Contexts[name.Value]
	if !ok {
		known := strings.Join(slices.Sorted(maps.Keys(f.Contexts)), ", ")
		return fmt.Errorf("%w: %s: there is no context %q in %s (it has: %s)", store.ErrConfiguration, name.From, name.Value, f.path, cmp.Or(known, "none"))
	}
	f.Chosen = name
	over := func(to *string, v string) {
		if v != "" {
			*to, f.context[to] = v, true
		}
	}
	over(&f.Backend, c.Backend)
	over(&f.Bucket, c.Bucket)
	over(&f.KMSKeyAlias, c.KMSKeyAlias)
	over(&f.Region, c.Region)
	over(&f.Profile, c.Profile)
	over(&f.EndpointURL, c.EndpointURL)
	over(&f.Retries, c.Retries)
	over(&f.RetryMode, c.RetryMode)
	over(&f.Timeout, c.Timeout)
	over(&f.Dir, c.Dir)
	over(&f.KeyDir, c.KeyDir)
	over(&f.ExpectedBucketOwner, c.ExpectedBucketOwner)
	if len(c.KeyARNs) > 0 {
		f.KeyARNs, f.context[&f.KeyARNs] = c.KeyARNs, true
	}
	if len(c.Keys) > 0 {
		f.Keys, f.context[&f.Keys] = c.Keys, true
	}
	// What loosens a check holds only where it is said, not in every context.
	f.AllowUnencrypted, f.SingleWriter, f.AllowHTTP = c.AllowUnencrypted, c.SingleWriter, c.AllowHTTP
	f.context[&f.AllowUnencrypted], f.context[&f.SingleWriter], f.context[&f.AllowHTTP] = true, true, true
	return nil
}

// from says where a setting of the file stands; it takes a pointer to it.
func (f *FileConfig) from(setting any) string {
	if f.context[setting] {
		return f.path + " (" + f.Chosen.Value + ")"
	}
	return f.path
}

// yamlFault tells the first fault in words of the file rather than of this program, and
// without its values: somebody may have named a file of secrets.
func yamlFault(err error) string {
	// What the decoder says of a file, which is no YAML otherwise.
	var (
		unknownField = regexp.MustCompile(`line (\d+): field (\S+) not found`)
		wrongType    = regexp.MustCompile(`line (\d+): cannot unmarshal .*into (bool|string|\[\]string|)`)
		twice        = regexp.MustCompile(`line (\d+): mapping key "([^"]*)" already defined at line (\d+)`)
		faultLine    = regexp.MustCompile(`line \d+`)
	)
	text := err.Error()
	if m := unknownField.FindStringSubmatch(text); m != nil {
		return fmt.Sprintf("line %s: there is no setting %q", m[1], m[2])
	}
	if m := twice.FindStringSubmatch(text); m != nil {
		return fmt.Sprintf("line %s: %q stands on line %s too", m[1], m[2], m[3])
	}
	if m := wrongType.FindStringSubmatch(text); m != nil {
		wanted := map[string]string{"bool": "true or false", "string": "one text", "[]string": "a list of texts", "": "names with settings"}[m[2]]
		return fmt.Sprintf("line %s: wanted is %s", m[1], wanted)
	}
	return cmp.Or(faultLine.FindString(text), "it") + ": not YAML"
}

// ConfigRow is a setting in force as `coffer config` prints it.
type ConfigRow struct {
	Name  string `json:"name"`
	Value string `json:"value"`
	From  string `json:"from"`
}

// Row is the row of a setting.
func Row(name string, s Setting) ConfigRow {
	return ConfigRow{Name: name, Value: s.Value, From: s.From}
}

// More are the settings that most stores do without, where they are set.
func (s *Settings) More(g *Globals) []ConfigRow {
	var rows []ConfigRow
	add := func(name string, v Setting) {
		if v.Value != "" {
			rows = append(rows, Row(name, v))
		}
	}
	f := s.File
	add("expected_bucket_owner", s.ExpectedBucketOwner)
	add("key_arns", s.KeyARNs)
	for _, alias := range slices.Sorted(maps.Keys(f.Keys)) {
		add("keys."+alias, Setting{f.Keys[alias], f.from(&f.Keys)})
	}
	for _, loose := range []struct {
		name   string
		inFile *bool
		flag   string
		given  bool
	}{
		{"allow_unencrypted", &f.AllowUnencrypted, "", false},
		{"single_writer", &f.SingleWriter, "--single-writer", g.SingleWriter},
		{"allow_http", &f.AllowHTTP, "--allow-http", g.AllowHTTP},
	} {
		if loose.given {
			add(loose.name, Setting{"true", loose.flag})
		} else if *loose.inFile {
			add(loose.name, Setting{"true", f.from(loose.inFile)})
		}
	}
	return rows
}
