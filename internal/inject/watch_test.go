package inject_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coffer-secrets/coffer/internal/app"
	"github.com/coffer-secrets/coffer/internal/awsconf"
	"github.com/coffer-secrets/coffer/internal/inject"
	"github.com/coffer-secrets/coffer/internal/testing/s3test"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/s3kms"
)

// desk is a directory with templates, whose files are kept current. Time passes by steps of the test: each pause
// is one.
type desk struct {
	*testing.T
	*s3test.Server
	dir    string
	writer store.Store
	app    *app.App
	acts   []string // what the file "out" had at each act
	refuse error    // the answer of an act
}

func newDesk(t *testing.T, templates map[string]string) *desk {
	t.Helper()
	d := &desk{T: t, Server: s3test.New(s3test.Options{Buckets: []string{"b"}}), dir: t.TempDir()}
	t.Cleanup(d.Close)
	d.KMS.CreateKey("alias/app")
	for name, value := range map[string]string{
		"HOME": d.dir, "AWS_EC2_METADATA_DISABLED": "true", "AWS_REGION": "us-east-1", "AWS_ENDPOINT_URL": d.URL,
		"AWS_ACCESS_KEY_ID": s3test.AdminKeyID, "AWS_SECRET_ACCESS_KEY": s3test.AdminSecret,
	} {
		t.Setenv(name, value)
	}
	cfg, err := awsconf.Load(t.Context(), awsconf.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if d.writer, err = s3kms.New(t.Context(), cfg, s3kms.Options{Bucket: "b", KeyAlias: "alias/app"}); err != nil {
		t.Fatal(err)
	}
	stderr, err := os.Create(filepath.Join(d.dir, "stderr"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = stderr.Close() })
	set := func(value string) app.Setting { return app.Setting{Value: value} }
	d.app = &app.App{Globals: &app.Globals{}, Stderr: stderr, Now: func() time.Time { return time.Now().Add(time.Hour) }, InForce: &app.Settings{
		Backend: set("s3-kms"), Bucket: set("b"), KMSKeyAlias: set("alias/app"), Retries: set("1"), RetryMode: set("standard"),
		Timeout: app.Setting{Value: "30s", From: "--timeout"}, File: &app.FileConfig{},
	}}
	for name, text := range templates {
		if err := os.WriteFile(d.path(name+".tmpl"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return d
}

func (d *desk) path(name string) string { return filepath.Join(d.dir, name) }

func (d *desk) file(name string) string {
	d.Helper()
	text, err := os.ReadFile(d.path(name))
	if err != nil {
		d.Fatal(err)
	}
	return string(text)
}

func (d *desk) write(name, value string) {
	d.Helper()
	id, err := store.ParseID(name)
	if err == nil {
		_, err = d.writer.Write(d.Context(), id, store.NewValue(value), store.WriteOptions{})
	}
	if err != nil {
		d.Fatal(err)
	}
}

// watch keeps the files of templates current, with a step in each pause, and returns what was said.
func (d *desk) watch(names []string, steps ...func()) (said string, err error) {
	d.Helper()
	var pairs []inject.Pair
	for _, name := range names {
		pairs = append(pairs, inject.Pair{In: d.path(name + ".tmpl"), Out: d.path(name)})
	}
	files, err := inject.Open(d.Context(), d.app, pairs)
	if err != nil {
		d.Fatal(err)
	}
	ctx, cancel := context.WithCancel(d.Context())
	defer cancel()
	n := 0
	err = files.Watch(ctx, inject.Watching{
		Interval: time.Minute,
		Act: func(context.Context) error {
			if d.refuse == nil {
				d.acts = append(d.acts, d.file(names[0]))
			}
			return d.refuse
		},
		Pause: func(context.Context, time.Duration) error {
			if n == len(steps) {
				cancel()
				return ctx.Err()
			}
			if steps[n] != nil {
				steps[n]()
			}
			n++
			return nil
		},
	})
	return d.file("stderr"), err
}

func TestFilesAreWrittenAgainWhenTheirSecretsChange(t *testing.T) {
	d := newDesk(t, map[string]string{"out": "{{ coffer://api/k | json }}", "other": "{{ coffer://web/k }} {{ coffer://api/k?version=1 }}"})
	d.write("api/k", "one")
	d.write("api/unused", "one")
	d.write("web/k", "w1")
	var before os.FileInfo
	look := func() {
		if before == nil {
			before, _ = os.Stat(d.path("out"))
		}
	}
	said, err := d.watch([]string{"out", "other"}, look, func() { d.write("api/unused", "two") }, nil, nil, func() {
		if now, err := os.Stat(d.path("out")); err != nil || !os.SameFile(before, now) || !now.ModTime().Equal(before.ModTime()) {
			t.Errorf("the file was written though nothing of it has changed: %v", err)
		}
		d.write("api/k", "two")
	}, nil, nil, func() { d.write("web/k", "w2") }, nil, nil)
	if want := []string{`"one"`, `"two"`, `"two"`}; !slices.Equal(d.acts, want) || err != nil || said != "" {
		t.Errorf("acts: %q; want %q; %v %s", d.acts, want, err, said)
	}
	if got := d.file("other"); got != "w2 one" {
		t.Errorf("the second file has %q", got)
	}
}

func TestAnActThatFailsIsTriedAgain(t *testing.T) {
	d := newDesk(t, map[string]string{"out": "{{ coffer://api/k }}"})
	d.write("api/k", "one")
	refuse := func(err error) func() { return func() { d.refuse = err } }
	d.refuse = errors.New("reload failed")
	said, err := d.watch([]string{"out"}, nil, nil, refuse(nil), nil, nil, func() { d.write("api/k", "two") }, refuse(errors.New("reload failed again")), nil, nil, refuse(nil), nil, nil, nil)
	if want := []string{"one", "two"}; !slices.Equal(d.acts, want) || err != nil {
		t.Errorf("acts: %q; want %q; %v", d.acts, want, err)
	}
	if strings.Count(said, "reload failed again") != 1 || strings.Count(said, "current again") != 2 {
		t.Errorf("said: %s", said)
	}
}

// TestAnActIsDoneAtEveryStart: the last run may have ended before it. The file isn't touched for that.
func TestAnActIsDoneAtEveryStart(t *testing.T) {
	d := newDesk(t, map[string]string{"out": "{{ coffer://api/k }}"})
	d.write("api/k", "one")
	d.refuse = errors.New("reload failed")
	if _, err := d.watch([]string{"out"}, nil); err != nil || len(d.acts) > 0 {
		t.Fatalf("acts: %q, %v", d.acts, err)
	}
	before, err := os.Stat(d.path("out"))
	if err != nil {
		t.Fatal(err)
	}
	d.refuse = nil
	for range 2 {
		if _, err := d.watch([]string{"out"}, nil, nil, nil); err != nil {
			t.Fatal(err)
		}
	}
	if want := []string{"one", "one"}; !slices.Equal(d.acts, want) {
		t.Errorf("acts: %q; want %q", d.acts, want)
	}
	if now, err := os.Stat(d.path("out")); err != nil || !os.SameFile(before, now) || !now.ModTime().Equal(before.ModTime()) {
		t.Errorf("the file was written though nothing of it has changed: %v", err)
	}
}

func TestAFileStaysWhereASecretIsGoneAndIsCurrentWhenItIsBack(t *testing.T) {
	d := newDesk(t, map[string]string{"out": "{{ coffer://api/k }}"})
	d.write("api/k", "one")
	said, err := d.watch([]string{"out"}, func() {
		if _, err := d.writer.Delete(t.Context(), "api", "k"); err != nil {
			t.Fatal(err)
		}
	}, nil, nil, func() {
		if got := d.file("out"); got != "one" {
			t.Errorf("the file has %q", got)
		}
	}, nil, func() { d.write("api/k", "two") }, nil, nil)
	if want := []string{"one", "two"}; !slices.Equal(d.acts, want) || err != nil {
		t.Errorf("acts: %q; want %q; %v", d.acts, want, err)
	}
	if strings.Count(said, "the files stay as they are: ") != 1 || !strings.Contains(said, "out.tmpl:1:1: ") || !strings.Contains(said, "the files are current again") {
		t.Errorf("said: %s", said)
	}
}

// TestTheBeginningWaitsForSecretsThatAreBeingWritten: the file would have values that don't belong together.
func TestTheBeginningWaitsForSecretsThatAreBeingWritten(t *testing.T) {
	d := newDesk(t, map[string]string{"out": "{{ coffer://api/a }} {{ coffer://api/b }}"})
	d.write("api/a", "two")
	d.write("api/b", "one")
	now := time.Now()
	d.app.Now = func() time.Time { return now }
	_, err := d.watch([]string{"out"}, func() {
		d.write("api/b", "two")
		now = now.Add(time.Minute)
	})
	if want := []string{"two two"}; !slices.Equal(d.acts, want) || err != nil {
		t.Errorf("acts: %q; want %q; %v", d.acts, want, err)
	}
}

func TestNothingIsWrittenAtTheBeginningIfASecretIsMissing(t *testing.T) {
	d := newDesk(t, map[string]string{"out": "{{ coffer://api/k }}", "other": "{{ coffer://api/kk }}"})
	d.write("api/k", "one")
	_, err := d.watch([]string{"out", "other"})
	if !errors.Is(err, store.ErrNotFound) {
		t.Errorf("error is %v", err)
	}
	if _, err := os.Stat(d.path("out")); err == nil {
		t.Error("a file was written")
	}
}
