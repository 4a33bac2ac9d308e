package app

import (
	"runtime/debug"
	"strings"
)

// unset is the version of a program that was linked without one.
const unset = "dev"

// BuiltVersion returns the version and the commit of a program. The linker's come first (make build);
// without them they are what go records: the module's version, as of go install, and the commit of the
// clone that it was built in. modified is said with "+dirty", as go does.
func BuiltVersion(version, commit string, info *debug.BuildInfo) (string, string) {
	if version != unset || info == nil {
		return version, commit
	}
	modified := ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			commit = s.Value[:min(12, len(s.Value))]
		case s.Key == "vcs.modified" && s.Value == "true":
			modified = "+dirty"
		}
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		version = strings.TrimPrefix(v, "v")
	}
	if commit != "" {
		commit += modified
	}
	return version, commit
}
