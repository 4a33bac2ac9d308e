// Sbom writes what is in an archive of a release, as CycloneDX or SPDX:
//
//	sbom -version 0.1.0 -date 2026-11-28T12:00:00Z coffer_0.1.0_linux_amd64.tar.gz OUT.cdx.json
//
// The ending of the second file, cdx.json or spdx.json, says which.
package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/coffer-secrets/coffer/packaging/internal/sbom"
)

func main() {
	version := flag.String("version", "", "The version of the release.")
	date := flag.String("date", "", "The time of the release, as RFC 3339.")
	flag.Parse()
	if err := run(*version, *date, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "sbom:", err)
		os.Exit(1)
	}
}

func run(version, date string, args []string) error {
	if version == "" || len(args) != 2 {
		return errors.New("usage: sbom -version VERSION -date DATE ARCHIVE OUT")
	}
	created, err := time.Parse(time.RFC3339, date)
	if err != nil {
		return err
	}
	archive, out := args[0], args[1]
	file, err := os.ReadFile(archive)
	if err != nil {
		return err
	}
	program, err := programIn(archive, file)
	if err != nil {
		return fmt.Errorf("%s: %w", archive, err)
	}
	for ending, write := range sbom.Formats {
		if strings.HasSuffix(out, "."+ending) {
			var text bytes.Buffer
			if err := write(sbom.Program{Version: version, Created: created, Binary: program, FileName: filepath.Base(archive), File: file}, &text); err != nil {
				return err
			}
			return os.WriteFile(out, text.Bytes(), 0o644) //nolint:gosec // published
		}
	}
	return fmt.Errorf("%s: the name must end in .cdx.json or .spdx.json", out)
}

// programIn returns the program in a tar.gz or zip.
func programIn(name string, file []byte) ([]byte, error) {
	isProgram := func(p string) bool { return strings.TrimSuffix(p, ".exe") == "coffer" } // a completion has the same name, in a folder
	if strings.HasSuffix(name, ".zip") {
		z, err := zip.NewReader(bytes.NewReader(file), int64(len(file)))
		if err != nil {
			return nil, err
		}
		for _, f := range z.File {
			if !f.Mode().IsRegular() || !isProgram(f.Name) {
				continue
			}
			r, err := f.Open()
			if err != nil {
				return nil, err
			}
			defer func() { _ = r.Close() }()
			return io.ReadAll(r)
		}
		return nil, errors.New("no coffer in it")
	}
	g, err := gzip.NewReader(bytes.NewReader(file))
	if err != nil {
		return nil, err
	}
	for t := tar.NewReader(g); ; {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return nil, errors.New("no coffer in it")
		}
		if err != nil {
			return nil, err
		}
		if h.Typeflag == tar.TypeReg && isProgram(h.Name) {
			return io.ReadAll(t)
		}
	}
}
