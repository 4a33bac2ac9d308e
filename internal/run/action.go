package run

import (
	"runtime"
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

// ParseAction reads a setting: "restart", "exit" or "signal:NAME".
func ParseAction(on app.Setting) (Action, error) {
	name, isSignal := strings.CutPrefix(on.Value, "signal:")
	switch {
	case on.Value == "restart":
		return Action{}, nil
	case on.Value == "exit":
		return Action{exit: true}, nil
	case !isSignal:
		return Action{}, on.Refuse("watch_on_change", "is neither restart, exit nor signal:NAME, such as signal:HUP")
	case runtime.GOOS == "windows":
		return Action{}, on.Refuse("watch_on_change", "can't be done on Windows, which has no signals: use restart or exit")
	}
	s := signalNamed(name)
	if s == 0 {
		return Action{}, on.Refuse("watch_on_change", "needs the name of a signal, such as signal:HUP or signal:USR1")
	}
	return Action{signal: s}, nil
}

// String describes what is done about a change, as in "api/k changed: restarting server".
func (a Action) String() string {
	switch {
	case a.signal != 0:
		return "sending " + nameOf(a.signal) + " to"
	case a.exit:
		return "ending"
	}
	return "restarting"
}
