package app

import (
	"runtime/debug"
	"strings"
)

// unset is the version of a program that was linked without one.
const unset = "dev"

// Build is what a program knows of its own making. Each is "" if it isn't known.
type Build struct {
	Version string // without a v
	Commit  string // the whole hash; "+dirty" after it if files were changed
	Date    string // of the commit, not of the build: two builds of a commit are equal. RFC 3339
}

// Complete returns the build of a program. What the linker was told comes first (make build); without
// it, what go records: the module's version, as of go install, and the commit of the clone that it was
// built in.
func (b Build) Complete(info *debug.BuildInfo) Build {
	if b.Version != unset || info == nil {
		return b
	}
	modified := ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			b.Commit = s.Value
		case s.Key == "vcs.time":
			b.Date = s.Value
		case s.Key == "vcs.modified" && s.Value == "true":
			modified = "+dirty"
		}
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		b.Version = strings.TrimPrefix(v, "v")
	}
	if b.Commit != "" {
		b.Commit += modified
	}
	return b
}

// String returns the version, and the commit in its usual short form.
func (b Build) String() string {
	if b.Commit == "" {
		return b.Version
	}
	hash, modified, dirty := strings.Cut(b.Commit, "+")
	if dirty {
		modified = "+" + modified
	}
	return b.Version + " (" + hash[:min(12, len(hash))] + modified + ")"
}
