//go:build !linux

package run

import (
	"os"

	"github.com/coffer-secrets/coffer/internal/app"
)

// LeaderCommand is the hidden command that [Lead] implements.
const LeaderCommand = "__terminal"

// terminal is nil: only Linux has terminals for children here.
type terminal struct{}

// openTerminal refuses: a terminal for the child is made only on Linux.
func (p *program) openTerminal(*relay, *os.File) error {
	return app.WithHint(app.Usage("--mask works on a terminal only on Linux"), "give it a pipe: coffer exec --mask SERVICE -- COMMAND 2>&1 | more")
}

// Lead is used only on Linux.
func Lead(*app.App) int { return app.ExitOther }
