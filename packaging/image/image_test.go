package main

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"maps"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	cdx "github.com/CycloneDX/cyclonedx-go"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	spdx "github.com/spdx/tools-golang/json"
	"github.com/spdx/tools-golang/spdxlib"
)

// coffer is the program, as a release has it; built once, in temporary.
var (
	coffer    []byte
	temporary string
)

func TestMain(m *testing.M) {
	if os.Getenv(appVariable) != "" {
		application()
		return
	}
	os.Exit(withProgram(m))
}

func withProgram(m *testing.M) int {
	dir, err := os.MkdirTemp("", "image")
	if err != nil {
		panic(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	temporary = dir
	path := filepath.Join(dir, "coffer")
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", path, ".") //nolint:gosec // as the Makefile does
	build.Dir, build.Env = "../..", append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		panic(string(out))
	}
	if coffer, err = os.ReadFile(path); err != nil { //nolint:gosec // ours
		panic(err)
	}
	return m.Run()
}

var release = Release{Version: "0.1.0", Commit: "0123456789abcdef", Created: time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)}

// layoutOnce is the layout of an image for both platforms.
var layoutOnce = sync.OnceValues(func() (string, error) { return built(filepath.Join(temporary, "once")) })

// built makes a layout in a folder. The program for the other platform is the same: nothing runs it.
func built(dir string) (string, error) {
	program, out := filepath.Join(temporary, "coffer"), filepath.Join(dir, "image")
	args := []string{"build", "-version", release.Version, "-commit", release.Commit, "-date", release.Created.Format(time.RFC3339), "-out", out}
	return out, run(context.Background(), append(args, "linux/amd64="+program, "linux/arm64="+program))
}

func layoutOf(t *testing.T) string {
	t.Helper()
	dir, err := layoutOnce()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// images returns the images of a layout, and its artifacts.
func images(t *testing.T, dir string) ([]v1.Image, []v1.Image) {
	t.Helper()
	index, attached, err := read(dir)
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	var all []v1.Image
	for _, d := range manifest.Manifests {
		i, err := index.Image(d.Digest)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, i)
	}
	return all, attached
}

func TestTheImageHasTheProgramAndCertificatesAlone(t *testing.T) {
	all, _ := images(t, layoutOf(t))
	for i, architecture := range []string{"amd64", "arm64"} {
		config, err := all[i].ConfigFile()
		if err != nil {
			t.Fatal(err)
		}
		c := config.Config
		if config.OS != "linux" || config.Architecture != architecture || c.User != "65532:65532" || strings.Join(c.Entrypoint, " ") != "/usr/local/bin/coffer" ||
			c.Labels["org.opencontainers.image.revision"] != release.Commit || !config.Created.Equal(release.Created) {
			t.Errorf("%s: configuration %+v", architecture, config)
		}
		files := contents(t, all[i])
		if len(files) != 2 || !bytes.Equal(files[programPath], coffer) {
			t.Errorf("%s: %d files", architecture, len(files))
		}
		if !x509.NewCertPool().AppendCertsFromPEM(files[certificatesPath]) || bytes.Count(files[certificatesPath], []byte("BEGIN")) < 100 {
			t.Errorf("%s: certificates %.60q", architecture, files[certificatesPath])
		}
		layers, err := all[i].Layers()
		if err != nil {
			t.Fatal(err)
		}
		size := int64(0)
		for _, l := range layers {
			n, err := l.Size()
			if err != nil {
				t.Fatal(err)
			}
			size += n
		}
		if size > 25e6 {
			t.Errorf("%s: %d bytes", architecture, size)
		}
		t.Logf("%s: %d bytes, %d unpacked", architecture, size, len(coffer)+len(files[certificatesPath]))
	}
}

// TestWhatTheDocsCopyIsInTheImage, and there are such lines.
func TestWhatTheDocsCopyIsInTheImage(t *testing.T) {
	page, err := os.ReadFile("../../docs/containers.md")
	if err != nil {
		t.Fatal(err)
	}
	all, _ := images(t, layoutOf(t))
	files := contents(t, all[0])
	lines := regexp.MustCompile(`(?m)^COPY --from=ghcr\.io/coffer-secrets/coffer:\S+ /(\S+) `).FindAllSubmatch(page, -1)
	if len(lines) < 2 {
		t.Errorf("%d lines", len(lines))
	}
	for _, l := range lines {
		if files[string(l[1])] == nil {
			t.Errorf("there is no %s in the image", l[1])
		}
	}
}

// contents returns the regular files of an image.
func contents(t *testing.T, image v1.Image) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	r := mutate.Extract(image)
	defer func() { _ = r.Close() }()
	for archive := tar.NewReader(r); ; {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Uid != 0 || h.Gid != 0 || h.Mode&0o022 != 0 {
			t.Errorf("%s: owner %d:%d, mode %o", h.Name, h.Uid, h.Gid, h.Mode)
		}
		if h.Typeflag == tar.TypeReg {
			if files[h.Name], err = io.ReadAll(archive); err != nil { //nolint:gosec // ours
				t.Fatal(err)
			}
		}
	}
}

func TestTwoBuildsOfAnImageAreEqual(t *testing.T) {
	other, err := built(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if a, b := files(t, layoutOf(t)), files(t, other); !maps.Equal(a, b) || len(a) < 10 {
		t.Errorf("%v and %v", slices.Sorted(maps.Keys(a)), slices.Sorted(maps.Keys(b)))
	}
}

// files returns the hashes of the files in a folder.
func files(t *testing.T, dir string) map[string][sha256.Size]byte {
	t.Helper()
	all := map[string][sha256.Size]byte{}
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path) //nolint:gosec // ours
		all[strings.TrimPrefix(path, dir)] = sha256.Sum256(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestSBOMsAreFoundFromTheImage, in a registry, and are valid.
func TestSBOMsAreFoundFromTheImage(t *testing.T) {
	server := httptest.NewServer(registry.New(registry.WithReferrersSupport(true), registry.Logger(log.New(io.Discard, "", 0))))
	defer server.Close()
	reference := strings.TrimPrefix(server.URL, "http://") + "/coffer:0.1.0"
	digest, err := Push(t.Context(), layoutOf(t), []string{reference})
	if err != nil {
		t.Fatal(err)
	}
	index, err := remote.Index(mustParse(t, reference).Context().Digest(digest.String()))
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := index.IndexManifest()
	if err != nil || len(manifest.Manifests) != 2 {
		t.Fatalf("%d images, %v", len(manifest.Manifests), err)
	}
	image := mustParse(t, reference).Context().Digest(manifest.Manifests[0].Digest.String())
	referrers, err := remote.Referrers(image)
	if err != nil {
		t.Fatal(err)
	}
	attached, err := referrers.IndexManifest()
	if err != nil || len(attached.Manifests) != 2 {
		t.Fatalf("%d artifacts, %v", len(attached.Manifests), err)
	}
	for _, d := range attached.Manifests {
		a, err := remote.Image(image.Context().Digest(d.Digest.String()))
		if err != nil {
			t.Fatal(err)
		}
		layers, err := a.Layers()
		if err != nil {
			t.Fatal(err)
		}
		r, err := layers[0].Compressed()
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		checkSBOM(t, d.ArtifactType, text)
	}
}

func mustParse(t *testing.T, reference string) name.Reference {
	t.Helper()
	r, err := name.ParseReference(reference)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// checkSBOM reads a document with the library of its format, and expects a module in it that Coffer can't do without.
func checkSBOM(t *testing.T, kind string, text []byte) {
	t.Helper()
	if !bytes.Contains(text, []byte("pkg:golang/filippo.io/age@v")) || !bytes.Contains(text, []byte("pkg:golang/stdlib@v"+strings.TrimPrefix(runtime.Version(), "go"))) {
		t.Errorf("%s names no modules", kind)
	}
	switch kind {
	case "application/vnd.cyclonedx+json":
		var b cdx.BOM
		if err := cdx.NewBOMDecoder(bytes.NewReader(text), cdx.BOMFileFormatJSON).Decode(&b); err != nil || len(*b.Components) < 40 {
			t.Errorf("CycloneDX: %v", err)
		}
	case "application/spdx+json":
		d, err := spdx.Read(bytes.NewReader(text))
		if err == nil {
			err = spdxlib.ValidateDocument(d)
		}
		if err != nil || len(d.Packages) < 40 {
			t.Errorf("SPDX: %v", err)
		}
	default:
		t.Errorf("an artifact of type %q: %s", kind, first(text))
	}
}

func first(text []byte) string { return string(text[:min(len(text), 80)]) }
