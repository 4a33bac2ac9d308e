package s3age

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/coffer-secrets/coffer/internal/plainfile"
	"github.com/coffer-secrets/coffer/internal/strictjson"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/internal/teamkeys"
)

// state remembers the newest key of each alias of one bucket. The bucket has a directory, each alias has one
// in it, and in that a file for the key, named after its number: the highest is the newest. So a process that
// knows less can't undo what another has learned, and no lock is needed.
type state struct {
	dir              string // of the bucket
	endpoint, bucket string
	now              func() time.Time
}

var _ teamkeys.State = (*state)(nil)

// newState returns the state of a bucket. endpoint is "" for AWS, whose buckets have one owner of their name.
func newState(dir, endpoint, bucket string) *state {
	endpoint = strings.TrimRight(endpoint, "/")
	return &state{filepath.Join(dir, digest("%q %q", endpoint, bucket)), endpoint, bucket, time.Now} //nolint:forbidigo // the default of a library; the command line hands its own in
}

func digest(format string, what ...any) string {
	sum := sha256.Sum256(fmt.Appendf(nil, format, what...))
	return hex.EncodeToString(sum[:16])
}

// remembered is the content of a file. Endpoint and bucket are there for a person who looks.
type remembered struct {
	Endpoint string   `json:"endpoint,omitempty"`
	Bucket   string   `json:"bucket"`
	Alias    string   `json:"alias"`
	Number   int      `json:"number"`
	ID       string   `json:"id"`
	Earlier  []string `json:"earlier,omitempty"`
}

const (
	stateSuffix = ".json"
	stateLimit  = 16 << 10
)

// of returns the directory of an alias.
func (s *state) of(alias string) string { return filepath.Join(s.dir, digest("%q", alias)) }

// The first use of a bucket lasts an hour: the first command may need one alias of several, or be interrupted. It
// began when the file was made.
const (
	firstUse     = time.Hour
	firstUseFile = "first-use"
)

// Knows implements [teamkeys.State].
func (s *state) Knows() (bool, error) {
	info, err := os.Stat(filepath.Join(s.dir, firstUseFile))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil:
		return false, unreadable(err)
	}
	return s.now().Sub(info.ModTime()) >= firstUse, nil
}

// begin marks the beginning of the first use of the bucket.
func (s *state) begin() error {
	path := filepath.Join(s.dir, firstUseFile)
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return replaceFile(path, nil)
}

// Recall implements [teamkeys.State]. A file that can't be read is an error: to know nothing would mean to
// trust anything.
func (s *state) Recall(alias string) (seen teamkeys.Seen, err error) {
	for range 3 { // another process may just have trusted an older key, and removed the file
		if seen, err = s.recall(alias); !errors.Is(err, fs.ErrNotExist) {
			break
		}
	}
	if err != nil {
		return teamkeys.Seen{}, unreadable(err)
	}
	return seen, nil
}

// expectedSuffix is of a file without content, which is named after a key.
const expectedSuffix = ".made"

// Expect implements [teamkeys.State].
func (s *state) Expect(alias, id string) error {
	dir := s.of(alias)
	err := os.MkdirAll(dir, 0o700)
	if err == nil {
		err = checkDirectory(dir)
	}
	if err == nil {
		err = replaceFile(filepath.Join(dir, id+expectedSuffix), nil)
	}
	if err != nil {
		return unusable(err)
	}
	return nil
}

// Expects implements [teamkeys.State].
func (s *state) Expects(alias, id string) (bool, error) {
	dir := s.of(alias)
	_, err := os.Lstat(filepath.Join(dir, id+expectedSuffix))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err == nil {
		err = checkDirectory(dir)
	}
	if err != nil {
		return false, unreadable(err)
	}
	return true, nil
}

func (s *state) recall(alias string) (teamkeys.Seen, error) {
	dir := s.of(alias)
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return teamkeys.Seen{}, nil
	}
	if err == nil {
		err = checkDirectory(dir)
	}
	newest := 0
	for _, e := range entries {
		newest = max(newest, numberOf(e.Name()))
	}
	if err != nil || newest == 0 {
		return teamkeys.Seen{}, err
	}
	path := filepath.Join(dir, strconv.Itoa(newest)+stateSuffix)
	body, err := plainfile.Read(path, stateLimit)
	var r remembered
	if err == nil {
		err = strictjson.Unmarshal(body, &r)
	}
	if err == nil && (r.Number != newest || r.Alias != alias || !isKeyID(r.ID)) {
		err = errors.New("it is the file of another key")
	}
	if err != nil {
		return teamkeys.Seen{}, fmt.Errorf("%s: %w", path, err)
	}
	return teamkeys.Seen{ID: r.ID, Number: r.Number, Earlier: r.Earlier}, nil
}

// numberOf returns the number in the name of a file; 0 if it isn't one.
func numberOf(name string) int {
	digits := name[:max(0, len(name)-len(stateSuffix))]
	n, err := strconv.Atoi(digits)
	if err != nil || n < 1 || strconv.Itoa(n)+stateSuffix != name {
		return 0
	}
	return n
}

// Remember implements [teamkeys.State].
func (s *state) Remember(alias string, was, is teamkeys.Seen) error {
	dir := s.of(alias)
	body, err := strictjson.Marshal(remembered{s.endpoint, s.bucket, alias, is.Number, is.ID, is.Earlier})
	if err == nil {
		err = os.MkdirAll(dir, 0o700)
	}
	if err == nil {
		err = checkDirectory(dir)
	}
	if err == nil {
		err = s.begin()
	}
	if err == nil {
		err = replaceFile(filepath.Join(dir, strconv.Itoa(is.Number)+stateSuffix), body)
	}
	if err == nil && was.Number > is.Number { // an older key was trusted
		err = removed(filepath.Join(dir, strconv.Itoa(was.Number)+stateSuffix))
	}
	if err != nil {
		return unusable(err)
	}
	if was.Number > 0 && was.Number < is.Number {
		_ = removed(filepath.Join(dir, strconv.Itoa(was.Number)+stateSuffix)) // the newer one is what counts
	}
	return nil
}

// stateError is a [store.ErrConfiguration]. It has the text of the file's error without being one, so that the sentence
// about it keeps what the file was for.
type stateError struct{ text, hint string }

func (e *stateError) Error() string { return e.text }
func (e *stateError) Hint() string  { return e.hint }
func (e *stateError) Unwrap() error { return store.ErrConfiguration }

func unreadable(err error) error {
	return &stateError{text: "which keys were seen before can't be read: " + err.Error()}
}

// unusable returns the error of remembering a key. The caller says which one.
func unusable(err error) error {
	return &stateError{err.Error(), "set XDG_STATE_HOME to a directory that you can write to, or pin the key with key_ids in the configuration file; " +
		"--trust-on-first-use accepts the key without remembering it"}
}

// replaceFile writes a file that is complete and on the disk before it gets its name.
func replaceFile(path string, body []byte) (err error) {
	temporary := filepath.Join(filepath.Dir(path), "~"+rand.Text())
	defer func() { err = errors.Join(err, removed(temporary)) }()
	f, err := os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(body)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(temporary, path)
}

// removed removes a file, which may not exist.
func removed(path string) error {
	if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// checkDirectory returns an error if other users could say what was seen.
func checkDirectory(dir string) error {
	info, err := os.Stat(dir)
	switch {
	case err != nil:
		return err
	case !plainfile.OwnedByCaller(info):
		return fmt.Errorf("%s belongs to another user", dir)
	case writableByOthers(info.Mode()):
		return fmt.Errorf("others can write to %s (mode %04o): chmod go-w %s", dir, info.Mode().Perm(), dir)
	}
	return nil
}
