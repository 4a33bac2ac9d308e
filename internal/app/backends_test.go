package app

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/admin"
)

// What a row says that a store has, the store has, and what it doesn't say, the store lacks or
// refuses. Nothing here sends a request.
func TestTheTableOfBackendsSaysWhatAStoreHas(t *testing.T) {
	ctx, id := context.Background(), store.ID{Service: "api", Key: "k"}
	for _, b := range backends() {
		t.Run(b.String(), func(t *testing.T) {
			s, err := opened(t, b.String()).Open(ctx)
			if err != nil {
				t.Fatal(err)
			}
			for _, has := range []struct {
				what string
				row  bool
				ask  func() (implemented bool, err error) // the error of a store without a server
			}{
				{"links", b.Links, func() (bool, error) { _, ok := s.(admin.Sharer); return ok, nil }},
				{"versions", b.Versions, func() (bool, error) {
					restorer, ok := s.(admin.Restorer)
					if !ok || b.Bucket {
						return ok, nil
					}
					_, err := restorer.Deleted(ctx, "api")
					return ok, err
				}},
				{"tags", b.Tags, func() (bool, error) {
					tagger, ok := s.(store.Tagger)
					if !ok || b.Service != "" {
						return ok, nil
					}
					_, err := tagger.ReadTags(ctx, id)
					return ok, err
				}},
				{"keys", b.Keys, func() (bool, error) {
					rekeyer, ok := s.(admin.Rekeyer)
					if !ok || b.KMS {
						return ok, nil
					}
					_, err := rekeyer.Rekey(ctx, "api", admin.RekeyOptions{DryRun: true})
					return ok, err
				}},
				{"an index", b.Index, func() (bool, error) { _, ok := s.(admin.Inspector); return ok, nil }},
			} {
				implemented, err := has.ask()
				if got := implemented && !errors.Is(err, store.ErrUnsupported); got != has.row {
					t.Errorf("the row says %v of %s, the store %v (%v)", has.row, has.what, got, err)
				}
			}
		})
	}
}

// Each backend is named by the flag, opens, and says where it is without its name being compared.
func TestTheBackendFlagNamesEveryBackend(t *testing.T) {
	flag, _ := reflect.TypeFor[Globals]().FieldByName("Backend")
	for _, name := range Backends() {
		if !strings.Contains(flag.Tag.Get("help"), name) {
			t.Errorf("--backend does not name %s: %s", name, flag.Tag.Get("help"))
		}
	}
}

// opened is an App for a backend, with credentials that are good for nothing.
func opened(t *testing.T, name string) *App {
	home := t.TempDir()
	stderr, err := os.Create(filepath.Join(home, "stderr"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = stderr.Close() })
	return &App{
		Stdin: stderr, Stdout: stderr, Stderr: stderr, Now: time.Now,
		Environ: []string{
			"HOME=" + home, "AWS_EC2_METADATA_DISABLED=true", "AWS_ACCESS_KEY_ID=AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY=none",
			"AWS_REGION=eu-west-1", "AWS_CONFIG_FILE=" + filepath.Join(home, "config"), "AWS_SHARED_CREDENTIALS_FILE=" + filepath.Join(home, "credentials"),
		},
		Globals: &Globals{Backend: name, Bucket: "bucket", EndpointURL: map[bool]string{true: "http://127.0.0.1:1"}[backend(name).Service != ""]},
	}
}
