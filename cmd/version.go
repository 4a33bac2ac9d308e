package cmd

import (
	"runtime"

	"github.com/coffer-secrets/coffer/internal/render"
)

// VersionCmd prints the version.
type VersionCmd struct{}

// Run prints it.
func (*VersionCmd) Run(app *App) error {
	if app.globals.JSON {
		return render.JSON(app.Stdout, map[string]string{
			"version": app.Version, "go": runtime.Version(), "platform": runtime.GOOS + "/" + runtime.GOARCH,
		})
	}
	return app.print("coffer " + app.Version + " " + runtime.GOOS + "/" + runtime.GOARCH + "\n")
}
