package run

import (
	"strings"
	"syscall"

	"github.com/coffer-secrets/coffer/internal/app"
)

// Action is what is done when the secrets of a running command change. The zero Action ends the command
// and starts it again.
type Action struct {
	exit   bool           // it isn't started again
	signal syscall.Signal // not 0: it is sent to the command, which goes on
}

// ParseAction reads the value of --on-change: "restart", "exit" or "signal:NAME".
func ParseAction(text string) (Action, error) {
	name, isSignal := strings.CutPrefix(text, "signal:")
	switch {
	case text == "restart":
		return Action{}, nil
	case text == "exit":
		return Action{exit: true}, nil
	case !isSignal:
		return Action{}, app.WithHint(app.Usage("unknown action %q for a change", text), "use restart, exit or signal:NAME, such as signal:HUP")
	}
	s, err := signalNamed(name)
	return Action{signal: s}, err
}

func unknownSignal(name string) error {
	return app.WithHint(app.Usage("there is no signal %q", name), "use its name, such as signal:HUP or signal:USR1")
}
