// Package sbom describes a Go program in CycloneDX and SPDX, from what the linker wrote into it. The same
// program always gives the same bytes: tools that search a file system write random ids and the time.
package sbom

import (
	"bytes"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"runtime/debug"
	"strings"
	"time"

	"github.com/google/uuid"
)

// The identity of the program in the documents.
const (
	name    = "coffer"
	module  = "github.com/coffer-secrets/coffer"
	home    = "https://" + module
	license = "Apache-2.0"
)

// Program is what the documents describe.
type Program struct {
	Version string
	Created time.Time // of the release: the commit's time
	Binary  []byte

	// The file that has the binary in it, such as an archive. Without a name it's the binary itself.
	FileName string
	File     []byte

	info *buildinfo.BuildInfo
}

// Formats are the documents that exist, by the ending of their files.
var Formats = map[string]func(Program, io.Writer) error{
	"cdx.json":  Program.CycloneDX,
	"spdx.json": Program.SPDX,
}

// MediaTypes are those of the formats.
var MediaTypes = map[string]string{
	"cdx.json":  "application/vnd.cyclonedx+json",
	"spdx.json": "application/spdx+json",
}

// modules returns the modules that are linked into the program, and the standard library.
func (p *Program) modules() ([]*debug.Module, error) {
	if p.info == nil {
		info, err := buildinfo.Read(bytes.NewReader(p.Binary))
		if err != nil {
			return nil, fmt.Errorf("no modules can be read from the program: %w", err)
		}
		p.info = info
	}
	version, _, _ := strings.Cut(strings.TrimPrefix(p.info.GoVersion, "go"), " ")
	all := []*debug.Module{{Path: "stdlib", Version: "v" + version}}
	for _, m := range p.info.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		all = append(all, m)
	}
	return all, nil
}

// subject returns the name and the bytes that the documents are about.
func (p *Program) subject() (string, []byte) {
	if p.FileName == "" {
		return name, p.Binary
	}
	return p.FileName, p.File
}

// id is the same for the same file.
func (p *Program) id() uuid.UUID {
	_, file := p.subject()
	return uuid.NewSHA1(uuid.NameSpaceURL, append([]byte(home+"#"), file...))
}

func (p *Program) created() string { return p.Created.UTC().Format(time.RFC3339) }

// url is the package URL of the program. The version of a module begins with v.
func (p *Program) url() string { return packageURL(module, "v"+p.Version) }

func packageURL(path, version string) string {
	return "pkg:golang/" + path + "@" + strings.ReplaceAll(version, "+", "%2B")
}

func hash(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func encode(w io.Writer, document any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(document)
}
