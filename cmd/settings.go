package cmd

import (
	"fmt"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"

	"github.com/coffer-secrets/coffer/store"
)

// setting is one value in force, and where it came from.
type setting struct{ Value, From string }

// settings are the values in force: a flag beats the environment, which beats the
// configuration file, which beats the default.
type settings struct {
	Backend, Bucket, KMSKeyAlias, Region, Profile, EndpointURL, Retries, RetryMode setting
	Dir, KeyDir                                                                    setting
}

// Defaults, as chamber has them.
const (
	defaultKMSKeyAlias = "alias/parameter_store_key"
	defaultRetries     = "10"
	defaultRetryMode   = "standard"
)

// settings resolves what is in force, once.
func (a *App) settings() (*settings, error) {
	if a.inForce != nil {
		return a.inForce, nil
	}
	g := a.globals
	s := &settings{
		Backend:     a.resolve("--backend", g.Backend, "", "COFFER_BACKEND", "CHAMBER_SECRET_BACKEND"),
		Bucket:      a.resolve("--bucket", g.Bucket, "", "COFFER_S3_BUCKET", "CHAMBER_S3_BUCKET"),
		KMSKeyAlias: a.resolve("--kms-key-alias", g.KMSKeyAlias, "", "COFFER_KMS_KEY_ALIAS", "CHAMBER_KMS_KEY_ALIAS"),
		Region:      a.resolve("--region", g.Region, "", "COFFER_AWS_REGION", "CHAMBER_AWS_REGION"),
		Profile:     a.resolve("--profile", g.Profile, ""),
		EndpointURL: a.resolve("--endpoint-url", g.EndpointURL, "", "COFFER_ENDPOINT_URL"),
		Retries:     a.resolve("--retries", g.Retries, defaultRetries, "COFFER_RETRIES", "CHAMBER_RETRIES"),
		RetryMode:   a.resolve("--retry-mode", g.RetryMode, defaultRetryMode, "COFFER_RETRY_MODE", "CHAMBER_RETRY_MODE"),
	}
	if s.Backend.Value == "" {
		s.Backend = setting{"local", "default"}
		if s.Bucket.Value != "" {
			s.Backend = setting{"s3-kms", "default, because a bucket is set"}
		}
	}
	if err := a.directories(s); err != nil {
		return nil, err
	}
	a.inForce = s
	return s, nil
}

// resolve finds one setting. An empty variable counts as unset.
func (a *App) resolve(flag, given, fallback string, variables ...string) setting {
	if given != "" {
		return setting{given, flag}
	}
	for _, name := range variables {
		if v := a.Getenv(name); v != "" {
			return setting{v, "$" + name}
		}
	}
	return setting{fallback, "default"}
}

// directories finds where the local backend keeps objects and identities: the XDG base
// directories, or COFFER_DIR and COFFER_KEY_DIR.
func (a *App) directories(s *settings) error {
	s.Dir = a.resolve("", "", "", "COFFER_DIR")
	s.KeyDir = a.resolve("", "", "", "COFFER_KEY_DIR")
	if s.Dir.Value != "" && s.KeyDir.Value != "" {
		return nil
	}
	data, config := a.Getenv("XDG_DATA_HOME"), a.Getenv("XDG_CONFIG_HOME")
	home := a.Getenv("HOME")
	if runtime.GOOS == "windows" {
		home = a.Getenv("USERPROFILE")
	}
	if data == "" && home != "" {
		data = filepath.Join(home, ".local", "share")
	}
	if config == "" && home != "" {
		config = filepath.Join(home, ".config")
	}
	if s.Dir.Value == "" && data != "" {
		s.Dir = setting{filepath.Join(data, "coffer"), "default"}
	}
	if s.KeyDir.Value == "" && config != "" {
		s.KeyDir = setting{filepath.Join(config, "coffer", "keys"), "default"}
	}
	if s.Backend.Value == "local" && (s.Dir.Value == "" || s.KeyDir.Value == "") {
		return fmt.Errorf("%w: there is no home directory to keep secrets in; set COFFER_DIR and COFFER_KEY_DIR", store.ErrConfiguration)
	}
	return nil
}

// retries returns the number of attempts.
func (s *settings) retries() (int, error) {
	n, err := strconv.Atoi(s.Retries.Value)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("%w: %s: %q is not a number of attempts", store.ErrInvalid, s.Retries.From, s.Retries.Value)
	}
	return max(n, 1), nil
}

// userName names who writes to a local store.
func (a *App) userName() string {
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
