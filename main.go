// Coffer keeps encrypted secrets in a bucket and runs programs with them.
package main

import (
	"os"

	"github.com/coffer-secrets/coffer/cmd"
	"github.com/coffer-secrets/coffer/internal/app"
)

// Set at link time: see app.Build.
var version, commit, date = "dev", "", ""

func main() {
	os.Exit(cmd.Main(os.Args[1:], app.Process(app.Build{Version: version, Commit: commit, Date: date})))
}
