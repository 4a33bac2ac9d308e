package app_test

import (
	"runtime/debug"
	"testing"

	"github.com/coffer-secrets/coffer/internal/app"
)

func TestTheVersionIsTheModules(t *testing.T) {
	info := func(version string, settings ...string) *debug.BuildInfo {
		b := &debug.BuildInfo{Main: debug.Module{Version: version}}
		for i := 0; i < len(settings); i += 2 {
			b.Settings = append(b.Settings, debug.BuildSetting{Key: settings[i], Value: settings[i+1]})
		}
		return b
	}
	const revision = "26918fb0123456789abcdef0123456789abcdef0"
	for _, c := range []struct {
		what, version, commit string
		info                  *debug.BuildInfo
		wantVersion, want     string
	}{
		{"make build", "v1.2.3", "26918fb", info("v9.9.9", "vcs.revision", revision), "v1.2.3", "26918fb"},
		{"go install module@v1.2.3", "dev", "", info("v1.2.3"), "1.2.3", ""},
		{"go build in a clone", "dev", "", info("v1.2.4-0.20261128000000-26918fb01234", "vcs.revision", revision, "vcs.modified", "false"), "1.2.4-0.20261128000000-26918fb01234", "26918fb01234"},
		{"go build in a clone that was changed", "dev", "", info("v1.2.3+dirty", "vcs.revision", revision, "vcs.modified", "true"), "1.2.3+dirty", "26918fb01234+dirty"},
		{"go build of an older go", "dev", "", info("(devel)", "vcs.revision", revision), "dev", "26918fb01234"},
		{"go build without version control", "dev", "", info("(devel)"), "dev", ""},
		{"no record", "dev", "", nil, "dev", ""},
	} {
		version, commit := app.BuiltVersion(c.version, c.commit, c.info)
		if version != c.wantVersion || commit != c.want {
			t.Errorf("%s: %q, commit %q; want %q, %q", c.what, version, commit, c.wantVersion, c.want)
		}
	}
}
