package cmd

import (
	"runtime"
	"runtime/debug"

	"github.com/coffer-secrets/coffer/internal/app"
	"github.com/coffer-secrets/coffer/internal/render"
)

// VersionCmd prints the version.
type VersionCmd struct{}

// Run prints the version, the commit if it is known, and the platform.
func (*VersionCmd) Run(a *app.App) error {
	info, _ := debug.ReadBuildInfo()
	build := a.Build.Complete(info)
	platform := runtime.GOOS + "/" + runtime.GOARCH
	if a.Globals.JSON {
		return render.JSON(a.Stdout, struct {
			Version  string `json:"version"`
			Commit   string `json:"commit,omitempty"`
			Date     string `json:"date,omitempty"` // of the commit
			Go       string `json:"go"`
			Platform string `json:"platform"`
		}{build.Version, build.Commit, build.Date, runtime.Version(), platform})
	}
	return a.Print("coffer " + build.String() + " " + platform + "\n")
}
