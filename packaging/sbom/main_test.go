package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestTheProgramOfAnArchiveIsDescribed, not a completion of the same name; in a zip, too. Twice gives the same bytes.
func TestTheProgramOfAnArchiveIsDescribed(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile(self) //nolint:gosec // this test's program has modules, too
	if err != nil {
		t.Fatal(err)
	}
	for name, archive := range map[string][]byte{"coffer_0.1.0_linux_amd64.tar.gz": tarball(t, program), "coffer_0.1.0_windows_amd64.zip": zipped(t, program)} {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, archive, 0o600); err != nil {
			t.Fatal(err)
		}
		for _, ending := range []string{".cdx.json", ".spdx.json"} {
			var texts [2]string
			for i := range texts {
				if err := run("0.1.0", "2026-11-28T12:00:00Z", []string{path, path + ending}); err != nil {
					t.Fatal(err)
				}
				text, err := os.ReadFile(path + ending) //nolint:gosec // ours
				if err != nil {
					t.Fatal(err)
				}
				texts[i] = string(text)
			}
			for _, want := range []string{name, "pkg:golang/stdlib@v1.", "pkg:golang/github.com/coffer-secrets/coffer@v0.1.0", "pkg:golang/github.com/google/uuid@v"} {
				if !strings.Contains(texts[0], want) {
					t.Errorf("%s%s doesn't name %s", name, ending, want)
				}
			}
			if texts[0] != texts[1] {
				t.Errorf("two of %s%s differ", name, ending)
			}
		}
	}
	if err := run("0.1.0", "2026-11-28T12:00:00Z", []string{self, filepath.Join(t.TempDir(), "x.cdx.json")}); err == nil {
		t.Error("what isn't an archive was taken")
	}
}

func tarball(t *testing.T, program []byte) []byte {
	t.Helper()
	var file bytes.Buffer
	g := gzip.NewWriter(&file)
	w := tar.NewWriter(g)
	for path, data := range map[string][]byte{"completions/coffer": []byte("complete"), "coffer": program} {
		if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: path, Size: int64(len(data))}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(data); err != nil {
			t.Fatal(err)
		}
	}
	_, _ = w.Close(), g.Close()
	return file.Bytes()
}

func zipped(t *testing.T, program []byte) []byte {
	t.Helper()
	var file bytes.Buffer
	z := zip.NewWriter(&file)
	for path, data := range map[string][]byte{"completions/coffer": []byte("complete"), "coffer.exe": program} {
		w, err := z.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(data); err != nil {
			t.Fatal(err)
		}
	}
	_ = z.Close()
	return file.Bytes()
}
