package cmd

import (
	"runtime"

	"github.com/coffer-secrets/coffer/internal/app"
	"github.com/coffer-secrets/coffer/internal/render"
)

// VersionCmd prints the version.
type VersionCmd struct{}

// Run prints the version and the platform.
func (*VersionCmd) Run(a *app.App) error {
	if a.Globals.JSON {
		return render.JSON(a.Stdout, map[string]string{
			"version": a.Version, "go": runtime.Version(), "platform": runtime.GOOS + "/" + runtime.GOARCH,
		})
	}
	return a.Print("coffer " + a.Version + " " + runtime.GOOS + "/" + runtime.GOARCH + "\n")
}
