//go:build unix

package cmd_test

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/coffer-secrets/coffer/index"
	"github.com/coffer-secrets/coffer/store"
)

// secretState is what an object holds.
type secretState struct {
	values []string // oldest first
	alias  string
	key    string // that it is really under
	tag    string
}

func (s secretState) newest() string { return s.values[len(s.values)-1] }

// state reads the secrets of the service from their objects. Deleted ones are left out.
func (s *stage) state() map[string]secretState {
	s.Helper()
	all := map[string]secretState{}
	for _, o := range s.objects() {
		key, ok := strings.CutSuffix(strings.TrimPrefix(o.name, "team/"), ".json")
		if !ok || strings.HasPrefix(key, "__") {
			continue
		}
		var document struct {
			Alias   string `json:"kms_alias"`
			Deleted bool
			Values  map[string]struct{ Value string }
		}
		if err := json.Unmarshal(o.body, &document); err != nil {
			s.Fatalf("%s: %v", o.name, err)
		}
		if document.Deleted {
			continue
		}
		secret := secretState{alias: document.Alias, key: o.key, tag: o.tag}
		for n := 1; len(secret.values) < len(document.Values); n++ {
			if v, ok := document.Values[strconv.Itoa(n)]; ok {
				secret.values = append(secret.values, v.Value)
			}
		}
		all[key] = secret
	}
	return all
}

func (s *stage) index(alias string) *index.Index {
	s.Helper()
	o, ok := s.bucket.Object("team/" + index.FileName(alias))
	if !ok {
		for key, is := range s.state() {
			if is.alias == alias {
				s.Errorf("the index of %s is gone, and %s is under it", alias, key)
			}
		}
		return index.New(alias)
	}
	body, _ := s.on.read(s.bench, o)
	x, err := index.Parse(alias, body)
	if err != nil {
		s.Errorf("the index of %s: %v", alias, err)
		return index.New(alias)
	}
	return x
}

// wantChanged: every secret that the command was to change is as it was or as it was to be,
// all of them as they were to be if the command succeeded, and nothing else is changed. It
// reports whether anything is.
func (s *stage) wantChanged(a act, succeeded bool) (changed bool) {
	s.Helper()
	s.wantTeam(a, succeeded)
	now := s.state()
	for key, was := range s.before {
		if _, touched := a.wants[key]; !touched && !slices.Equal(now[key].values, was.values) {
			s.Errorf("%s had %d versions and has %d, which nobody asked for", key, len(was.values), len(now[key].values))
		}
		if is, ok := now[key]; ok && a.moves == "" && (is.alias != was.alias || is.key != was.key) {
			s.Errorf("%s was under %s and is under %s", key, was.alias, is.alias)
		}
	}
	for key := range now {
		_, touched := a.wants[key]
		if _, was := s.before[key]; !was && !touched {
			s.Errorf("%s came into being, which nobody asked for", key)
		}
	}
	for key, value := range a.wants {
		was := s.before[key].values
		want := append(slices.Clone(was), value)
		if value == "" {
			want = nil
		} else if len(was) > 0 && was[len(was)-1] == value {
			want = was // an import leaves it as it is
		}
		made, untouched := slices.Equal(now[key].values, want), slices.Equal(now[key].values, was)
		if !made && !untouched {
			s.Errorf("%s: it had %d versions and has %d: neither what was nor what was to be", key, len(was), len(now[key].values))
		}
		if succeeded && !made {
			s.Errorf("%s: the command succeeded, and it is not done", key)
		}
		changed = changed || !untouched
	}
	return s.wantMoved(a, now, succeeded) > 0 || changed
}

// wantSound is what is true at every instant: all is encrypted with the key of its alias (I10),
// no index entry with the tag of its object says anything else (I2), and a reader gets the
// newest value of every secret (I9).
func (s *stage) wantSound() {
	s.Helper()
	now := s.state()
	for _, o := range s.objects() {
		var document struct {
			Alias string `json:"kms_alias"`
		}
		if err := json.Unmarshal(o.body, &document); err != nil {
			s.Errorf("%s: %v", o.name, err)
		}
		alias := document.Alias
		for _, a := range []string{"alias/app", "alias/ops"} {
			if o.name == "team/"+index.FileName(a) {
				alias = a
			}
		}
		before := s.act.same && o.key == s.keys[alias] // not yet stored anew
		if o.key != s.on.key(s.bench, alias) && !before {
			s.Errorf("%s is encrypted under %q", o.name, o.key)
		}
	}
	for _, alias := range []string{"alias/app", "alias/ops"} {
		for key, e := range s.index(alias).Entries {
			if is, ok := now[key]; ok && e.Tag == is.tag && (e.Value.Reveal() != is.newest() || is.alias != alias && !e.Moving) {
				s.Errorf("index of %s: the entry of %s has the tag of its object and another content", alias, key)
			}
		}
	}
	s.wantVisible(now)
	contents, err := s.reader.Load(s.Context(), "team")
	if err != nil {
		s.Errorf("a reader fails: %v", err)
		return
	}
	read := map[string]string{}
	for _, secret := range contents.Secrets {
		read[secret.ID.Key] = secret.Value.Reveal()
	}
	for key, is := range now {
		if read[key] != is.newest() {
			s.Errorf("a reader does not get the newest value of %s", key)
		}
	}
	if len(read) != len(now) || len(contents.Hidden)+len(contents.Denied) > 0 {
		s.Errorf("a reader gets %d secrets, of %d", len(read), len(now))
	}
}

// wantExact: the indexes hold what the objects do, and nothing else.
func (s *stage) wantExact() {
	s.Helper()
	now := s.state()
	for _, alias := range []string{"alias/app", "alias/ops"} {
		entries := s.index(alias).Entries
		for key, is := range now {
			if e, ok := entries[key]; is.alias == alias && (!ok || e.Tag != is.tag || e.Value.Reveal() != is.newest()) {
				s.Errorf("index of %s: %s is missing or old", alias, key)
			}
		}
		for key, e := range entries {
			if ahead := e.Moving && e.Tag == now[key].tag; now[key].alias != alias && !ahead {
				s.Errorf("index of %s: %s does not belong there", alias, key)
			}
		}
	}
}

// wantConverging: the next writer of another secret leaves the index exact (I4), and the same
// command, run again, does what it was to do.
func (s *stage) wantConverging(a act) {
	s.Helper()
	if a.moves != "" {
		s.wantMovedAgain(a)
	}
	s.wantTeamAgain(a)
	if a.wants == nil {
		return
	}
	_, unfinished := s.state()["gone"]
	id := store.ID{Service: "team", Key: "next"}
	if _, err := s.reader.Write(s.Context(), id, store.NewValue(canary+"-next"), store.WriteOptions{}); err != nil {
		s.Errorf("the next write: %v", err)
	}
	s.wantExact()
	got := s.perform(a.line, a.stdin)
	if finished := a.name == "delete" && !unfinished; got.exit != 0 && (!finished || got.exit != 3) {
		s.Errorf("run again: exit code %d\n%s", got.exit, got.stderr)
	}
	now := s.state()
	for key, value := range a.wants {
		if is, ok := now[key]; ok != (value != "") || ok && is.newest() != value {
			s.Errorf("run again: %s is not what it was to be", key)
		}
	}
	s.wantExact()
	s.wantSound()
}

// wantTidy: nothing is left behind but what is known of the server, and no file holds a value.
func (s *stage) wantTidy() {
	s.Helper()
	s.files(func(name string) {
		if name != "argv" && name != identityFile && name != "needs.yaml" && name != filepath.Join("cwd", "child") && !strings.HasPrefix(name, filepath.Join("cache", "coffer")) && !strings.HasPrefix(name, filepath.Join("state", "coffer")) {
			s.Errorf("%s is left behind", name)
		}
	})
}

func (s *stage) wantNoFileTells() {
	s.Helper()
	s.files(func(string) {})
}

// files visits the files of the home and of the temporary directory. None may hold a value.
func (s *stage) files(visit func(name string)) {
	s.Helper()
	err := filepath.WalkDir(s.home, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(s.home, path)
		if err != nil {
			return err
		}
		body, err := os.ReadFile(path)
		if bytes.Contains(body, []byte(canary)) {
			s.Errorf("%s holds a value", name)
		}
		visit(name)
		return err
	})
	if err != nil {
		s.Error(err)
	}
}
