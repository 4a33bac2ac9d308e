package verified_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
	"github.com/coffer-secrets/coffer/store/internal/verified"
)

var (
	at    = time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC)
	state = bucket.Info{Tag: "tag-1", Size: 100, Modified: at}
	fact  = verified.Fact{Version: 3, Created: at, CreatedBy: "author", Alias: "alias/app"}
	value = store.NewValue("c4n4ry")
)

type memory struct {
	*testing.T
	dir, key string
	now      time.Time
}

func newMemory(t *testing.T) *memory {
	dir := t.TempDir()
	return &memory{T: t, dir: filepath.Join(dir, "cache", "coffer", "verified"), key: filepath.Join(dir, "state", "coffer", "verified.key"), now: time.Now()}
}

func (m *memory) open(place, service string) *verified.Service {
	return verified.New(verified.Options{Dir: m.dir, KeyFile: m.key, Place: func() string { return place }, Now: func() time.Time { return m.now }}).Service(service)
}

// keep remembers the fact in a file.
func (m *memory) keep(place, service string) {
	s := m.open(place, service)
	s.Remember("key", state, fact, value)
	s.Save(func() map[string]bool { return map[string]bool{"tag-1": true} })
}

func (m *memory) files() []string {
	m.Helper()
	files, err := filepath.Glob(filepath.Join(m.dir, "*.json"))
	if err != nil {
		m.Fatal(err)
	}
	return files
}

func TestAFactIsOfExactlyOneState(t *testing.T) {
	m := newMemory(t)
	m.keep("place", "api")
	if f, ok := m.open("place", "api").Recall("key", state, value); !ok || f != fact {
		t.Fatalf("%+v, %t", f, ok)
	}
	other := func(change func(*bucket.Info)) bucket.Info {
		info := state
		change(&info)
		return info
	}
	for name, recall := range map[string]func() (verified.Fact, bool){
		"value": func() (verified.Fact, bool) {
			return m.open("place", "api").Recall("key", state, store.NewValue("other"))
		},
		"key":     func() (verified.Fact, bool) { return m.open("place", "api").Recall("other", state, value) },
		"service": func() (verified.Fact, bool) { return m.open("place", "other").Recall("key", state, value) },
		"place":   func() (verified.Fact, bool) { return m.open("other", "api").Recall("key", state, value) },
		"no tag": func() (verified.Fact, bool) {
			return m.open("place", "api").Recall("key", other(func(i *bucket.Info) { i.Tag = "" }), value)
		},
		"tag": func() (verified.Fact, bool) {
			return m.open("place", "api").Recall("key", other(func(i *bucket.Info) { i.Tag = "2" }), value)
		},
		"size": func() (verified.Fact, bool) {
			return m.open("place", "api").Recall("key", other(func(i *bucket.Info) { i.Size++ }), value)
		},
		"modified": func() (verified.Fact, bool) {
			return m.open("place", "api").Recall("key", other(func(i *bucket.Info) { i.Modified = at.Add(1) }), value)
		},
	} {
		if f, ok := recall(); ok {
			t.Errorf("another %s: %+v", name, f)
		}
	}
}

// Who can write the files and has not the key can make nothing believed.
func TestAFileThatWasEditedIsNotBelieved(t *testing.T) {
	for old, changed := range map[string]string{
		`"tag-1"`: `"tag-2"`, `"version":3`: `"version":4`, `"2026-05-04T03:02:01Z"`: `"2026-05-04T03:02:02Z"`, `"author"`: `"nobody"`, `"alias/app"`: `"alias/ops"`,
		`"author","alias":"alias/app"`: `"authora","alias":"lias/app"`, `"hash":"`: `"hash":"00`, `{"format":1`: `{"format":9`, `"objects":`: `"Objects":`, `}`: ``,
	} {
		m := newMemory(t)
		m.keep("place", "api")
		file := m.files()[0]
		body, err := os.ReadFile(file)
		if err != nil || !strings.Contains(string(body), old) {
			t.Fatalf("no %s in %s, error %v", old, body, err)
		}
		if err := os.WriteFile(file, []byte(strings.ReplaceAll(string(body), old, changed)), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, tag := range []bucket.Tag{"tag-1", "tag-2"} {
			info := state
			info.Tag = tag
			if f, ok := m.open("place", "api").Recall("key", info, value); ok {
				t.Errorf("%s: %+v", changed, f)
			}
		}
	}
}

// A file moved to another service or store is not believed either.
func TestAFileOfAnotherServiceIsNotBelieved(t *testing.T) {
	m := newMemory(t)
	m.keep("place", "api")
	mine := m.files()[0]
	m.keep("place", "web")
	m.keep("elsewhere", "api")
	body, err := os.ReadFile(mine)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range m.files() {
		if err := os.WriteFile(file, body, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, s := range []*verified.Service{m.open("place", "web"), m.open("elsewhere", "api")} {
		if f, ok := s.Recall("key", state, value); ok {
			t.Errorf("%+v", f)
		}
	}
}

func TestTheFilesAreBounded(t *testing.T) {
	m := newMemory(t)
	for i := range 70 {
		m.keep("place", fmt.Sprint("service-", i))
	}
	if n := len(m.files()); n != 64 {
		t.Errorf("%d files", n)
	}
	left := filepath.Join(m.dir, ".x.json.tmp")
	if err := os.WriteFile(left, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	m.now = m.now.Add(91 * 24 * time.Hour)
	m.keep("place", "api")
	if files := m.files(); len(files) > 1 { // its own time is that of the file system
		t.Errorf("%d files after three months", len(files))
	}
	if _, err := os.Stat(left); err == nil {
		t.Error("a temporary file is left")
	}

	// States that no object has any more are dropped.
	m = newMemory(t)
	m.keep("place", "api")
	s := m.open("place", "api")
	next := state
	next.Tag = "tag-2"
	s.Remember("key", next, fact, value)
	s.Save(func() map[string]bool { return map[string]bool{"tag-2": true} })
	if body, err := os.ReadFile(m.files()[0]); err != nil || strings.Contains(string(body), "tag-1") || strings.Contains(string(body), "c4n4ry") {
		t.Errorf("%s, error %v", body, err)
	}
}

func TestAKeyThatOthersReadIsReplaced(t *testing.T) {
	m := newMemory(t)
	m.keep("place", "api")
	before, err := os.ReadFile(m.key)
	if err != nil || len(before) != 32 {
		t.Fatalf("%d bytes, error %v", len(before), err)
	}
	if err := os.Chmod(m.key, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, ok := m.open("place", "api").Recall("key", state, value); ok {
		t.Error("believed by a key that others read")
	}
	m.keep("place", "api")
	after, err := os.ReadFile(m.key)
	if info, failed := os.Stat(m.key); err != nil || failed != nil || info.Mode().Perm() != 0o600 || string(after) == string(before) {
		t.Errorf("mode %v, errors %v, %v", info.Mode(), err, failed)
	}
	if _, ok := m.open("place", "api").Recall("key", state, value); !ok {
		t.Error("forgotten")
	}
}

// Where something is missing, nothing is remembered.
func TestNothingIsRememberedWithoutAPlaceForIt(t *testing.T) {
	s := verified.New(verified.Options{Dir: t.TempDir()}).Service("api")
	s.Remember("key", state, fact, value)
	s.Save(nil)
	if _, ok := s.Recall("key", state, value); ok {
		t.Error("remembered")
	}
	m := newMemory(t)
	if err := os.MkdirAll(filepath.Dir(m.dir), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/nowhere", m.dir); err != nil {
		t.Fatal(err)
	}
	m.keep("place", "api")
}
