package cmd

import (
	"github.com/coffer-secrets/coffer/internal/app"
	"github.com/coffer-secrets/coffer/internal/site"
	"github.com/coffer-secrets/coffer/store/admin"
)

// leftOutOfTerraform returns the parts that --print leaves out, with the reason: those of --without
// and, on a server other than AWS, the settings that can make it refuse every request, unless an
// earlier init has tried them successfully.
func (c *InitCmd) leftOutOfTerraform(a *app.App, s *site.Site) map[string]string {
	out := map[string]string{}
	tried := site.TrialResults(a, s)
	for _, name := range []string{admin.CheckPublicAccess, admin.CheckVersions, admin.CheckPolicy} {
		switch verdict, known := tried[name]; {
		case s.Other == "" || known && verdict == "":
		case known:
			out[name] = verdict
		default:
			out[name] = "a server other than AWS may refuse every put with it; coffer init tries it first"
		}
	}
	for _, name := range c.Without {
		out[name] = "left out with --without"
	}
	return out
}
