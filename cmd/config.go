package cmd

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/coffer-secrets/coffer/internal/render"
	"github.com/coffer-secrets/coffer/store"
)

// fileConfig is the configuration file: settings, and named contexts whose settings beat
// those outside them.
type fileConfig struct {
	fileSettings `yaml:",inline"`

	Context  string                  `yaml:"context"` // the one that holds when none is named
	Contexts map[string]fileSettings `yaml:"contexts"`

	origin string // the file, for people
}

type fileSettings struct {
	Backend     string `yaml:"backend"`
	Bucket      string `yaml:"bucket"`
	KMSKeyAlias string `yaml:"kms_key_alias"`
	Region      string `yaml:"region"`
	Profile     string `yaml:"profile"`
	EndpointURL string `yaml:"endpoint_url"`
	Retries     string `yaml:"retries"`
	RetryMode   string `yaml:"retry_mode"`
	Dir         string `yaml:"dir"`
	KeyDir      string `yaml:"key_dir"`

	ExpectedBucketOwner string            `yaml:"expected_bucket_owner"`
	KeyARNs             []string          `yaml:"key_arns"`
	Keys                map[string]string `yaml:"keys"` // alias -> the name by which this server knows its key
	AllowUnencrypted    bool              `yaml:"allow_unencrypted"`
	ConditionalDelete   bool              `yaml:"conditional_delete"`
	AllowHTTP           bool              `yaml:"allow_http"`
}

// configFile reads the configuration file. Only one that was asked for by name must exist;
// none is ever taken from the working directory, which may be anybody's.
func (a *App) configFile() (*fileConfig, error) {
	where := a.resolve("--config", a.globals.Config, []string{"COFFER_CONFIG"}, "", "", "")
	path := where.Value
	if path == "" {
		base := a.baseDirectory("XDG_CONFIG_HOME", ".config")
		if base == "" {
			return &fileConfig{}, nil
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
	file := &fileConfig{origin: path}
	decoder := yaml.NewDecoder(bytes.NewReader(body))
	decoder.KnownFields(true)
	if err := decoder.Decode(file); err != nil && len(bytes.TrimSpace(body)) > 0 {
		return nil, fmt.Errorf("%w: %s: %s", store.ErrConfiguration, path, yamlFault(err))
	}
	return file, file.choose(a.resolve("--context", a.globals.Context, []string{"COFFER_CONTEXT"}, path, file.Context, ""))
}

// choose lays the settings of a context over the others.
func (f *fileConfig) choose(name setting) error {
	if name.Value == "" {
		return nil
	}
	c, ok := f.Contexts[name.Value]
	if !ok {
		known := slices.Sorted(maps.Keys(f.Contexts))
		return fmt.Errorf("%w: %s: there is no context %q in %s (it has: %s)", store.ErrConfiguration, name.From, name.Value, f.origin, strings.Join(known, ", "))
	}
	f.origin += " (" + name.Value + ")"
	over := func(to *string, v string) {
		if v != "" {
			*to = v
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
	over(&f.Dir, c.Dir)
	over(&f.KeyDir, c.KeyDir)
	over(&f.ExpectedBucketOwner, c.ExpectedBucketOwner)
	if len(c.KeyARNs) > 0 {
		f.KeyARNs = c.KeyARNs
	}
	if len(c.Keys) > 0 {
		f.Keys = c.Keys
	}
	// What loosens a check holds only where it is said, not in every context.
	f.AllowUnencrypted, f.ConditionalDelete, f.AllowHTTP = c.AllowUnencrypted, c.ConditionalDelete, c.AllowHTTP
	return nil
}

var unknownField = regexp.MustCompile(`line (\d+): field (\S+) not found`)

// yamlFault is what the decoder says, in words of the file rather than of this program.
func yamlFault(err error) string {
	if m := unknownField.FindStringSubmatch(err.Error()); m != nil {
		return fmt.Sprintf("line %s: there is no setting %q", m[1], m[2])
	}
	return strings.Join(strings.Fields(strings.TrimPrefix(err.Error(), "yaml: ")), " ")
}

// ConfigCmd prints the settings in force.
type ConfigCmd struct{}

// Run prints a row for each setting with where it came from.
func (*ConfigCmd) Run(app *App) error {
	s, err := app.settings()
	if err != nil {
		return err
	}
	type row struct {
		Name  string `json:"name"`
		Value string `json:"value"`
		From  string `json:"from"`
	}
	rows := []row{
		{"backend", s.Backend.Value, s.Backend.From},
		{"bucket", s.Bucket.Value, s.Bucket.From},
		{"kms_key_alias", s.KMSKeyAlias.Value, s.KMSKeyAlias.From},
		{"region", s.Region.Value, s.Region.From},
		{"profile", s.Profile.Value, s.Profile.From},
		{"endpoint_url", s.EndpointURL.Value, s.EndpointURL.From},
		{"retries", s.Retries.Value, s.Retries.From},
		{"retry_mode", s.RetryMode.Value, s.RetryMode.From},
		{"dir", s.Dir.Value, s.Dir.From},
		{"key_dir", s.KeyDir.Value, s.KeyDir.From},
	}
	if app.globals.JSON {
		return render.JSON(app.Stdout, rows)
	}
	t := app.table("Setting", "Value", "From")
	for _, r := range rows {
		t.row(r.Name, r.Value, r.From)
	}
	return t.print()
}
