package main

import (
	"context"
	"fmt"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// Push pushes the index in a layout to each reference, and what is attached to its images. It returns the index's digest.
// Credentials are those of docker login.
func Push(ctx context.Context, dir string, references []string) (v1.Hash, error) {
	index, attached, err := read(dir)
	if err != nil {
		return v1.Hash{}, err
	}
	digest, err := index.Digest()
	if err != nil {
		return v1.Hash{}, err
	}
	options := []remote.Option{remote.WithContext(ctx), remote.WithAuthFromKeychain(authn.DefaultKeychain)}
	for _, text := range references {
		reference, err := name.ParseReference(text)
		if err != nil {
			return v1.Hash{}, err
		}
		if err := remote.WriteIndex(reference, index, options...); err != nil {
			return v1.Hash{}, err
		}
		for _, a := range attached {
			digest, err := a.Digest()
			if err != nil {
				return v1.Hash{}, err
			}
			if err := remote.Write(reference.Context().Digest(digest.String()), a, options...); err != nil {
				return v1.Hash{}, err
			}
		}
	}
	return digest, nil
}

// read returns the index of images in a layout, and the artifacts that are attached to them.
func read(dir string) (v1.ImageIndex, []v1.Image, error) {
	path, err := layout.FromPath(dir)
	if err != nil {
		return nil, nil, err
	}
	all, err := path.ImageIndex()
	if err != nil {
		return nil, nil, err
	}
	manifest, err := all.IndexManifest()
	if err != nil {
		return nil, nil, err
	}
	var index v1.ImageIndex
	var attached []v1.Image
	for _, d := range manifest.Manifests {
		if d.MediaType.IsIndex() {
			index, err = all.ImageIndex(d.Digest)
		} else {
			var a v1.Image
			a, err = all.Image(d.Digest)
			attached = append(attached, a)
		}
		if err != nil {
			return nil, nil, err
		}
	}
	if index == nil {
		return nil, nil, fmt.Errorf("%s has no index of images", dir)
	}
	return index, attached, nil
}
