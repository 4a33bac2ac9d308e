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
	const (
		revision = "26918fb0123456789abcdef0123456789abcdef0"
		date     = "2026-11-28T12:00:00Z"
	)
	for _, c := range []struct {
		what   string
		linked app.Build
		info   *debug.BuildInfo
		want   app.Build
		text   string
	}{
		{"make build", app.Build{"1.2.3", revision, date}, info("v9.9.9", "vcs.revision", "other", "vcs.time", "other"), app.Build{"1.2.3", revision, date}, "1.2.3 (26918fb01234)"},
		{"go install module@v1.2.3", app.Build{Version: "dev"}, info("v1.2.3"), app.Build{Version: "1.2.3"}, "1.2.3"},
		{
			"go build in a clone",
			app.Build{Version: "dev"},
			info("v1.2.4-0.20261128000000-26918fb01234", "vcs.revision", revision, "vcs.time", date, "vcs.modified", "false"),
			app.Build{"1.2.4-0.20261128000000-26918fb01234", revision, date},
			"1.2.4-0.20261128000000-26918fb01234 (26918fb01234)",
		},
		{
			"go build in a clone that was changed",
			app.Build{Version: "dev"},
			info("v1.2.3+dirty", "vcs.revision", revision, "vcs.time", date, "vcs.modified", "true"),
			app.Build{"1.2.3+dirty", revision + "+dirty", date},
			"1.2.3+dirty (26918fb01234+dirty)",
		},
		{"go build of an older go", app.Build{Version: "dev"}, info("(devel)", "vcs.revision", revision), app.Build{"dev", revision, ""}, "dev (26918fb01234)"},
		{"go build without version control", app.Build{Version: "dev"}, info("(devel)"), app.Build{Version: "dev"}, "dev"},
		{"no record", app.Build{Version: "dev"}, nil, app.Build{Version: "dev"}, "dev"},
	} {
		got := c.linked.Complete(c.info)
		if got != c.want || got.String() != c.text {
			t.Errorf("%s: %+v, as text %q; want %+v, %q", c.what, got, got, c.want, c.text)
		}
	}
}
