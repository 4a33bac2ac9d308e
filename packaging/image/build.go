package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"golang.org/x/crypto/x509roots/fallback/bundle"

	"github.com/coffer-secrets/coffer/packaging/internal/sbom"
)

// Paths in the image.
const (
	programPath      = "usr/local/bin/coffer"
	certificatesPath = "etc/ssl/certs/ca-certificates.crt" // where crypto/x509 looks first
)

// user is the one that distroless calls nonroot.
const user = "65532:65532"

// Release is what an image is made of.
type Release struct {
	Version, Commit string
	Created         time.Time
	Programs        []Program
}

// Program is the binary for one platform.
type Program struct {
	Platform v1.Platform
	Binary   []byte
}

// Build writes the image of each platform, the index of them, and their SBOMs to a new OCI layout. An SBOM is an
// artifact of its own, whose subject is the image that it describes.
func Build(dir string, r Release) error {
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("%s exists already", dir)
	}
	index, artifacts := mutate.IndexMediaType(empty.Index, types.OCIImageIndex), []v1.Image{}
	for _, p := range r.Programs {
		image, err := r.image(p)
		if err != nil {
			return err
		}
		subject, err := partial.Descriptor(image)
		if err != nil {
			return err
		}
		subject.Platform = &p.Platform
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: image, Descriptor: *subject})
		attached, err := r.artifacts(p, *subject)
		if err != nil {
			return err
		}
		artifacts = append(artifacts, attached...)
	}
	index = mutate.Annotations(index, r.labels()).(v1.ImageIndex)
	path, err := layout.Write(dir, empty.Index)
	if err != nil {
		return err
	}
	if err := path.AppendIndex(index, layout.WithAnnotations(map[string]string{"org.opencontainers.image.ref.name": r.Version})); err != nil {
		return err
	}
	for _, a := range artifacts {
		if err := path.AppendImage(a); err != nil {
			return err
		}
	}
	return nil
}

func (r Release) labels() map[string]string {
	const home = "https://github.com/coffer-secrets/coffer"
	return map[string]string{
		"org.opencontainers.image.title":         "coffer",
		"org.opencontainers.image.description":   "Encrypted secrets in a bucket, and programs that run with them",
		"org.opencontainers.image.licenses":      "Apache-2.0",
		"org.opencontainers.image.url":           home,
		"org.opencontainers.image.source":        home,
		"org.opencontainers.image.documentation": home + "/blob/main/docs/containers.md",
		"org.opencontainers.image.version":       r.Version,
		"org.opencontainers.image.revision":      r.Commit,
		"org.opencontainers.image.created":       r.Created.UTC().Format(time.RFC3339),
	}
}

// image has two layers: the certificates change less often than the program.
func (r Release) image(p Program) (v1.Image, error) {
	certificates, err := r.layer(file{certificatesPath, 0o444, certificates()})
	if err != nil {
		return nil, err
	}
	program, err := r.layer(file{programPath, 0o555, p.Binary})
	if err != nil {
		return nil, err
	}
	image := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	if image, err = mutate.AppendLayers(image, certificates, program); err != nil {
		return nil, err
	}
	config, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	config.OS, config.Architecture, config.Variant = p.Platform.OS, p.Platform.Architecture, p.Platform.Variant
	config.Created = v1.Time{Time: r.Created.UTC()}
	config.History = nil
	config.Config = v1.Config{
		User: user, WorkingDir: "/", Labels: r.labels(),
		Env:        []string{"PATH=/usr/local/bin:/usr/bin:/bin"},
		Entrypoint: []string{"/" + programPath},
	}
	return mutate.ConfigFile(image, config)
}

type file struct {
	path string
	mode int64
	data []byte
}

// layer is a layer with one file, and the folders above it.
func (r Release) layer(f file) (v1.Layer, error) {
	var layer bytes.Buffer
	compressed := gzip.NewWriter(&layer)
	w := tar.NewWriter(compressed)
	for i, c := range f.path {
		if c == '/' {
			h := &tar.Header{Typeflag: tar.TypeDir, Name: f.path[:i+1], Mode: 0o755, ModTime: r.Created.UTC()}
			if err := w.WriteHeader(h); err != nil {
				return nil, err
			}
		}
	}
	err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: f.path, Mode: f.mode, Size: int64(len(f.data)), ModTime: r.Created.UTC()})
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(f.data); err != nil {
		return nil, err
	}
	if err := errors.Join(w.Close(), compressed.Close()); err != nil {
		return nil, err
	}
	open := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(layer.Bytes())), nil }
	return tarball.LayerFromOpener(open, tarball.WithMediaType(types.OCILayer)) // which compresses nothing twice
}

// certificates are Mozilla's, from the module that Go keeps of them. A file of certificates can't say that one is trusted
// only for what was issued before a date, so those are left out.
func certificates() []byte {
	var text bytes.Buffer
	for root := range bundle.Roots() {
		if root.Constraint == nil {
			_ = pem.Encode(&text, &pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate}) // a buffer takes all
		}
	}
	return text.Bytes()
}

// artifacts are the SBOMs of a program, as artifacts whose subject is its image.
func (r Release) artifacts(p Program, subject v1.Descriptor) ([]v1.Image, error) {
	var all []v1.Image
	endings := []string{}
	for ending := range sbom.Formats {
		endings = append(endings, ending)
	}
	slices.Sort(endings)
	for _, ending := range endings {
		var text bytes.Buffer
		program := sbom.Program{Version: r.Version, Created: r.Created, Binary: p.Binary}
		if err := sbom.Formats[ending](program, &text); err != nil {
			return nil, err
		}
		kind := types.MediaType(sbom.MediaTypes[ending])
		image := mutate.MediaType(empty.Image, types.OCIManifestSchema1)
		// The type of the artifact is that of its config: registries report it so since before there was a field for it.
		image = mutate.ConfigMediaType(image, kind)
		image, err := mutate.Append(image, mutate.Addendum{Layer: static.NewLayer(text.Bytes(), kind), MediaType: kind})
		if err != nil {
			return nil, err
		}
		all = append(all, mutate.Subject(image, subject).(v1.Image))
	}
	return all, nil
}
