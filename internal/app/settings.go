package app

import (
	"cmp"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/coffer-secrets/coffer/internal/awsconf"
	"github.com/coffer-secrets/coffer/internal/bucketname"
	"github.com/coffer-secrets/coffer/internal/foreign"
	"github.com/coffer-secrets/coffer/store"
)

// Setting is the value of a setting, and where it comes from.
type Setting struct{ Value, From string }

// Settings are the settings in force. A flag overrides the environment, which overrides the
// configuration file, which overrides the default.
type Settings struct {
	Backend, Bucket, KMSKeyAlias, Region, Profile, EndpointURL, Retries, RetryMode, Timeout Setting

	Dir, KeyDir Setting // of the local backend

	ExpectedBucketOwner, KeyARNs Setting // of a bucket; ARNs are joined by ", "

	Identity    Setting // the file of the age identity, for a backend whose keys belong to teams; see AgeIdentity
	home        string
	AgeIdentity string // $COFFER_AGE_IDENTITY, the identity itself, if it is in force; then Identity has no file

	CacheKeyring Setting // whether the keyring of the system may have the key of the cache

	File *FileConfig // has the settings that only the file can set
}

const (
	defaultTimeout = "30s to read, 60s to change"

	fromDefault = "default" // [Setting.From] of a default
)

// Settings returns the settings in force. It reads the configuration file the first time only.
func (a *App) Settings() (*Settings, error) {
	if a.InForce != nil {
		return a.InForce, nil
	}
	s, wrong, err := a.AllSettings()
	if len(wrong) > 0 {
		err = wrong[0]
	}
	if err != nil {
		return nil, err
	}
	a.InForce = s
	return s, nil
}

// AllSettings returns the settings even if some have a value that can't be used: wrong says which. Its error
// is that of a configuration file that can't be read.
func (a *App) AllSettings() (s *Settings, wrong []error, err error) {
	g := a.Globals
	file, err := a.ConfigFile()
	if err != nil {
		return nil, nil, err
	}
	s = &Settings{File: file}
	for _, v := range []struct {
		to          *Setting
		flag, given string
		inFile      *string
		fallback    string
		variables   []string
	}{
		{&s.Backend, "--backend", g.Backend, &file.Backend, "", []string{"COFFER_BACKEND", "CHAMBER_SECRET_BACKEND"}},
		{&s.Bucket, cmp.Or(g.bucketFlag, "--bucket"), g.Bucket, &file.Bucket, "", []string{"COFFER_S3_BUCKET", "CHAMBER_S3_BUCKET"}},
		{&s.KMSKeyAlias, "--kms-key-alias", g.KMSKeyAlias, &file.KMSKeyAlias, "", []string{"COFFER_KMS_KEY_ALIAS", "CHAMBER_KMS_KEY_ALIAS"}},
		{&s.Region, "--region", g.Region, &file.Region, "", []string{"COFFER_AWS_REGION", "CHAMBER_AWS_REGION"}},
		{&s.Profile, "--profile", g.Profile, &file.Profile, "", nil},
		{&s.EndpointURL, "--endpoint-url", g.EndpointURL, &file.EndpointURL, "", []string{"COFFER_ENDPOINT_URL"}},
		{&s.Retries, "--retries", g.Retries, &file.Retries, strconv.Itoa(awsconf.DefaultRetries), []string{"COFFER_RETRIES", "CHAMBER_RETRIES"}},
		{&s.RetryMode, "--retry-mode", g.RetryMode, &file.RetryMode, "", []string{"COFFER_RETRY_MODE", "CHAMBER_RETRY_MODE"}},
		{&s.Timeout, "--timeout", g.Timeout, &file.Timeout, defaultTimeout, []string{"COFFER_TIMEOUT"}},
		{&s.Dir, "", "", &file.Dir, "", []string{"COFFER_DIR"}},
		{&s.KeyDir, "", "", &file.KeyDir, "", []string{"COFFER_KEY_DIR"}},
		{&s.ExpectedBucketOwner, "", "", &file.ExpectedBucketOwner, "", []string{"COFFER_EXPECTED_BUCKET_OWNER"}},
		{&s.CacheKeyring, "", "", &file.CacheKeyring, "", []string{"COFFER_CACHE_KEYRING"}},
	} {
		*v.to = a.resolve(v.flag, v.given, v.variables, file.from(v.inFile), *v.inFile, v.fallback)
		if foreign.LooksSecret(v.to.Value) { // in the wrong setting
			a.Conceal(v.to.Value)
		}
	}
	s.Bucket.Value = bucketname.Clean(s.Bucket.Value)
	s.KeyARNs = a.resolve("", "", []string{"COFFER_KEY_ARNS"}, file.from(&file.KeyARNs), strings.Join(file.KeyARNs, ", "), "")
	badIdentity := a.identity(s)
	s.setDefaults(slices.ContainsFunc(a.Environ, func(v string) bool { return strings.HasPrefix(v, "CHAMBER_") && !strings.HasSuffix(v, "=") }))
	if variable := s.Kind().EndpointVariable; variable != "" {
		s.EndpointURL = a.resolve("--endpoint-url", g.EndpointURL, []string{"COFFER_ENDPOINT_URL", variable}, file.from(&file.EndpointURL), file.EndpointURL, "")
	}
	_, badTimeout := a.setTimeout(s)
	for _, err := range []error{a.directories(s), s.checkRetries(), s.checkRetryMode(), badTimeout, badIdentity} {
		if err != nil {
			wrong = append(wrong, err)
		}
	}
	return s, wrong, nil
}

// resolve returns one setting. An empty variable counts as unset.
func (a *App) resolve(flag, given string, variables []string, file, inFile, fallback string) Setting {
	if given != "" {
		return Setting{given, flag}
	}
	for _, name := range variables {
		if v := a.Getenv(name); v != "" {
			return Setting{v, "$" + name}
		}
	}
	if inFile != "" {
		return Setting{inFile, file}
	}
	return Setting{fallback, fromDefault}
}

// setDefaults sets the defaults that depend on other settings.
func (s *Settings) setDefaults(chamber bool) {
	if s.Backend.Value == "" {
		s.Backend = defaultBackend(s, chamber)
	}
	s.Backend.Value = strings.ToLower(s.Backend.Value) // chamber takes any case
	b := s.Kind()
	if s.KMSKeyAlias.Value == "" && b.DefaultAlias != "" {
		s.KMSKeyAlias = Setting{b.DefaultAlias, fromDefault}
	}
	if s.RetryMode.Value == "" {
		s.RetryMode = Setting{awsconf.DefaultRetryMode, fromDefault}
		if b.RetryMode != "" {
			s.RetryMode = Setting{b.RetryMode, "default, because " + b.RetryReason}
		}
	}
}

// directories sets where the local backend keeps objects and identities. The defaults are in the
// XDG base directories.
func (a *App) directories(s *Settings) error {
	data, config := a.baseDirectory("XDG_DATA_HOME", ".local", "share"), a.baseDirectory("XDG_CONFIG_HOME", ".config")
	if s.Dir.Value == "" && data != "" {
		s.Dir = Setting{filepath.Join(data, "coffer"), "default"}
	}
	if s.KeyDir.Value == "" && config != "" {
		s.KeyDir = Setting{filepath.Join(config, "coffer", "keys"), "default"}
	}
	if s.Kind().Directory && (s.Dir.Value == "" || s.KeyDir.Value == "") {
		return fmt.Errorf("%w: no home directory to keep secrets in; set COFFER_DIR and COFFER_KEY_DIR", store.ErrConfiguration)
	}
	return nil
}

// baseDirectory returns an XDG base directory; "" if there is no home directory.
func (a *App) baseDirectory(variable string, below ...string) string {
	if dir := a.Getenv(variable); filepath.IsAbs(dir) { // the specification says to ignore relative paths
		return dir
	}
	home := a.home()
	if home == "" {
		return ""
	}
	return filepath.Join(append([]string{home}, below...)...)
}

// home returns the home directory, or "".
func (a *App) home() string {
	if runtime.GOOS == "windows" {
		return a.Getenv("USERPROFILE")
	}
	return a.Getenv("HOME")
}

// CacheDirectory returns the directory for files that can be recreated; "" if there is no home
// directory.
func (a *App) CacheDirectory() string {
	base := a.baseDirectory("XDG_CACHE_HOME", ".cache")
	if base == "" {
		return ""
	}
	return filepath.Join(base, "coffer")
}

// stateHome returns the directory for files that belong to this machine; "" if there is no home directory.
func (a *App) stateHome() string {
	base := a.baseDirectory("XDG_STATE_HOME", ".local", "state")
	if base == "" {
		return ""
	}
	return filepath.Join(base, "coffer")
}

// PinnedARNs returns the ARNs of the pinned keys; none if no keys are pinned.
func (s *Settings) PinnedARNs() []string {
	return strings.FieldsFunc(s.KeyARNs.Value, func(r rune) bool { return r == ',' || unicode.IsSpace(r) })
}

// privateDirectory returns the directory to use if the cache directory can't be written, as in a
// container or without a home directory. It may not exist.
func (a *App) privateDirectory() string {
	if dir := a.Getenv("XDG_RUNTIME_DIR"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "coffer")
	}
	return filepath.Join(os.TempDir(), "coffer-"+strconv.Itoa(os.Geteuid()))
}

// retries returns the number of attempts for a request, at least 1.
func (s *Settings) retries() (int, error) {
	n, err := strconv.Atoi(s.Retries.Value)
	if err != nil || n < 0 {
		return 0, s.Retries.Refuse("retries", "is not a number of attempts")
	}
	return max(n, 1), nil
}

// checkRetries and checkRetryMode return an error if requests can't be repeated as configured, whether or
// not the backend makes requests.
func (s *Settings) checkRetries() error {
	_, err := s.retries()
	return err
}

func (s *Settings) checkRetryMode() error {
	if !slices.Contains([]string{awsconf.DefaultRetryMode, awsconf.PatientRetryMode}, s.RetryMode.Value) {
		return s.RetryMode.Refuse("retry_mode", "is neither standard nor adaptive")
	}
	return nil
}

// Refuse returns the error of a value that can't be used. A wrong flag is an error of the command line; a
// wrong variable, or a line of the configuration file, is one of the configuration.
func (s Setting) Refuse(name, why string) error {
	switch {
	case strings.HasPrefix(s.From, "--"):
		return fmt.Errorf("%w: %s: %q %s", store.ErrInvalid, s.From, s.Value, why)
	case strings.HasPrefix(s.From, "$"):
		return fmt.Errorf("%w: %s: %q %s", store.ErrConfiguration, s.From, s.Value, why)
	}
	return fmt.Errorf("%w: %s: %s: %q %s", store.ErrConfiguration, s.From, name, s.Value, why)
}

// UserName returns the user of this process, as the author of versions in a local store.
func (a *App) UserName() string {
	for _, name := range []string{"USER", "LOGNAME", "USERNAME"} {
		if v := a.Getenv(name); v != "" {
			return v
		}
	}
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return ""
}
