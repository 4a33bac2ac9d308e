//go:build unix

package cmd_test

import (
	"encoding/json"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/coffer-secrets/coffer/internal/testing/s3test"
)

// chamberBucket is a bench whose bucket chamber has filled, with the environment that chamber needs.
type chamberBucket struct {
	*bench
	backend string
}

func newChamberBucket(t *testing.T, backend string, quirks ...s3test.Quirks) *chamberBucket {
	t.Helper()
	var o s3test.Options
	if len(quirks) > 0 {
		o.Quirks = quirks[0]
	}
	c := &chamberBucket{newBench(t, o), backend}
	c.KMS.CreateKey("alias/team/one")
	c.env = append(c.env,
		"COFFER_S3_BUCKET=", "COFFER_KMS_KEY_ALIAS=",
		"CHAMBER_SECRET_BACKEND="+strings.ToUpper(backend), "CHAMBER_S3_BUCKET=b", "CHAMBER_KMS_KEY_ALIAS=app",
	)
	root := filepath.Join(chamberData, backend)
	for _, name := range files(t, root) {
		c.plant(name, readFile(t, filepath.Join(root, name)), c.aliasOf(t, root, name))
	}
	return c
}

// plant stores bytes as chamber would, under an alias in s3-kms.
func (c *chamberBucket) plant(name string, body []byte, alias string) {
	if c.backend == "s3" {
		c.bucket.Plant(name, body, s3test.AES256, "")
	} else {
		c.bucket.Plant(name, body, s3test.AWSKMS, alias)
	}
}

// aliasOf finds in the indexes of a fixture under which alias chamber had stored a file.
func (c *chamberBucket) aliasOf(t *testing.T, root, name string) string {
	t.Helper()
	if c.backend == "s3" {
		return ""
	}
	indexes, err := filepath.Glob(filepath.Join(root, path.Dir(name), "__kms*"))
	if err != nil {
		t.Fatal(err)
	}
	key := strings.TrimSuffix(path.Base(name), ".json")
	for _, file := range indexes {
		var x chamberIndex
		parse(t, readFile(t, file), &x)
		for entry, e := range x.Latest {
			if entry == key || filepath.Base(file) == path.Base(name) {
				return e.KMSAlias
			}
		}
	}
	t.Fatalf("no index of chamber's knows %s", name)
	return ""
}

// files lists the files below a folder, as slash-separated names.
func files(t *testing.T, root string) []string {
	t.Helper()
	var names []string
	err := fs.WalkDir(os.DirFS(root), ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			names = append(names, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func readFile(t *testing.T, name string) []byte {
	t.Helper()
	body, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func parse(t *testing.T, body []byte, into any) {
	t.Helper()
	if err := json.Unmarshal(body, into); err != nil {
		t.Fatal(err)
	}
}

// out is the standard output of a run that must succeed.
func (b *bench) out(line string) string {
	b.Helper()
	got := b.run(line, "")
	if got.exit != 0 {
		b.Fatalf("coffer %s: exit code %d\n%s", line, got.exit, got.stderr)
	}
	return got.stdout
}

// table is out without the spaces that align it.
func (b *bench) table(line string) string {
	b.Helper()
	var rows []string
	for row := range strings.Lines(b.out(line)) {
		rows = append(rows, strings.Join(strings.Fields(row), " "))
	}
	return strings.Join(rows, "\n")
}
