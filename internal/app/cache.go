package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/coffer-secrets/coffer/internal/awsconf"
	"github.com/coffer-secrets/coffer/internal/offline"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/s3age"
)

// CacheFlags are the flags of commands that can use the secrets of an earlier run.
type CacheFlags struct {
	Cache string `filled:"" placeholder:"TIME" help:"Store the secrets encrypted on this machine, and use them for this long if the storage can't be reached: 24h, 7d or off."`
}

const cacheOff = "off"

// CacheTime returns how long exec may use what it has read before. flag is --cache, or "". 0 means not at
// all.
func (s *Settings) CacheTime(flag string) (time.Duration, error) {
	set := Setting{flag, "--cache"}
	if flag == "" {
		set = Setting{s.File.Cache, s.File.from(&s.File.Cache)}
	}
	if set.Value == "" || set.Value == cacheOff {
		return 0, nil
	}
	limit, err := ParseDuration(set.Value)
	switch {
	case err != nil:
		return 0, set.Refuse("cache", "is not a time such as 8h, 24h or 7d, or off")
	case limit < time.Minute || limit > offline.Longest:
		return 0, set.Refuse("cache", "is not between one minute and 30 days")
	}
	if kind := s.Kind(); kind.Service == "" {
		if flag == "" { // the setting may be for other contexts
			return 0, nil
		}
		return 0, Usage("--cache can't be used with the %s backend: no network is needed to read it", kind)
	}
	return limit, nil
}

// ParseDuration parses a duration. Besides the units of [time.ParseDuration] it knows whole days, as
// in "7d".
func ParseDuration(text string) (time.Duration, error) {
	days, ok := strings.CutSuffix(text, "d")
	if !ok {
		return time.ParseDuration(text)
	}
	n, err := strconv.Atoi(days)
	n = max(-1, min(n, 100_000)) // more would overflow
	return time.Duration(n) * 24 * time.Hour, err
}

// useKeyring reports whether the identity of the cache may be in the keyring of the system.
func (s *Settings) useKeyring() (bool, error) {
	if s.CacheKeyring.Value == "" {
		return true, nil
	}
	use, err := strconv.ParseBool(s.CacheKeyring.Value)
	if err != nil {
		return false, s.CacheKeyring.Refuse("cache_keyring", "is neither true nor false")
	}
	return use, nil
}

// OpenCache returns the cache of this user. It makes no files.
func (a *App) OpenCache() (*offline.Cache, error) {
	s, err := a.Settings()
	if err != nil {
		return nil, err
	}
	ring, err := s.useKeyring()
	if err != nil {
		return nil, err
	}
	dir := a.cacheOfSecrets()
	if dir == "" {
		return nil, fmt.Errorf("%w: no home directory for the cache; set XDG_CACHE_HOME and XDG_STATE_HOME", store.ErrConfiguration)
	}
	return offline.New(offline.Options{Dir: dir, KeyFile: a.cacheKeyFile(), Keyring: ring}), nil
}

// cacheOfSecrets returns the directory of the cache; "" without a home directory.
func (a *App) cacheOfSecrets() string {
	if dir := a.CacheDirectory(); dir != "" && a.cacheKeyFile() != "" {
		return filepath.Join(dir, "secrets")
	}
	return ""
}

// cacheKeyFile is not beside what it opens: a backup of one may not have the other.
func (a *App) cacheKeyFile() string {
	dir := a.stateHome()
	if dir == "" {
		return ""
	}
	return filepath.Join(dir, "cache.key")
}

// cachedPlace is the store and the reader of the copies of a command.
type cachedPlace struct {
	files         *offline.Cache
	store, reader string
	session       bool   // the reader's access key is one of a session
	name          string // of the store, for a person
}

// errNoReader means that it is not known who reads.
var errNoReader = errors.New("no identity of the reader")

// cachedPlace describes the store and the reader with everything that is known without a request and tells
// two of them apart: what was read from one store or by one reader is never given to another. With keys of teams a
// reader has an age identity too; the error is [errNoReader] if it can't be read.
func (a *App) cachedPlace(ctx context.Context) (*cachedPlace, error) {
	files, err := a.OpenCache()
	if err != nil {
		return nil, err
	}
	s := a.InForce
	o, err := a.AWSOptions(s)
	if err != nil {
		return nil, err
	}
	o.Offline = true
	cfg, err := awsconf.Load(ctx, o)
	if err != nil {
		return nil, err
	}
	where := []string{
		s.Kind().String(), s.Bucket.Value, cfg.Region, awsconf.PlaceOf(ctx, cfg, s.Kind().Service).URL,
		s.ExpectedBucketOwner.Value, strings.Join(s.PinnedARNs(), " "), strconv.FormatBool(s.File.AllowUnencrypted),
	}
	if s.Kind().Sealed && s.Kind().KMS {
		where = append(where, awsconf.PlaceOf(ctx, cfg, "KMS").URL)
	}
	if s.Kind().Teams {
		for _, alias := range slices.Sorted(maps.Keys(s.File.KeyIDs)) {
			where = append(where, alias+" "+s.File.KeyIDs[alias])
		}
	}
	described, err := json.Marshal(where)
	if err != nil {
		return nil, err
	}
	p := &cachedPlace{files: files, store: string(described), name: Place{Settings: s}.String()}
	p.reader, p.session = awsconf.Reader(cfg)
	if s.Kind().Teams {
		identity, err := s3age.Options{Identity: s.AgeIdentity, IdentityFile: s.IdentityFile()}.Fingerprint()
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errNoReader, err)
		}
		p.reader += "\nidentity=" + identity
	}
	return p, nil
}

func (p *cachedPlace) of(service string) offline.Subject {
	return offline.Subject{Store: p.store, Reader: p.reader, Service: service}
}

// forget deletes what the reader has of a service. Of a session, it deletes also what earlier ones have.
func (p *cachedPlace) forget(service string) {
	_, _ = p.files.Forget(p.of(service))
	if p.session {
		p.files.ForgetSessions(p.store, service)
	}
}
