package term

import (
	"os"

	"golang.org/x/term"
)

// Save returns a function that restores the settings that a terminal has now. It does nothing if f isn't
// a terminal.
func Save(f *os.File) (restore func()) {
	state, err := term.GetState(int(f.Fd()))
	if err != nil {
		return func() {}
	}
	return func() { _ = term.Restore(int(f.Fd()), state) }
}
