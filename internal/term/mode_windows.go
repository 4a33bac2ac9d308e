package term

import (
	"os"
	"time"
	"unsafe"

	"golang.org/x/sys/windows"
)

// mode is the mode of a console before a question, and during it.
type mode struct {
	console       windows.Handle
	before, asked uint32
}

// setMode turns off the echo and the line editing of a console. Ctrl-C still interrupts, and a paste
// has its markers.
func setMode(fd int) (*mode, error) {
	m := &mode{console: windows.Handle(fd)}
	if err := windows.GetConsoleMode(m.console, &m.before); err != nil {
		return nil, err
	}
	m.asked = m.before&^(windows.ENABLE_ECHO_INPUT|windows.ENABLE_LINE_INPUT) |
		windows.ENABLE_PROCESSED_INPUT | windows.ENABLE_VIRTUAL_TERMINAL_INPUT
	return m, m.enter()
}

// enter sets the mode of the question. Input that is pending stays.
func (m *mode) enter() error { return windows.SetConsoleMode(m.console, m.asked) }

// leave restores the mode, with drop without the input that is pending.
func (m *mode) leave(drop bool) error {
	if drop {
		_ = windows.FlushConsoleInputBuffer(m.console)
	}
	return windows.SetConsoleMode(m.console, m.before)
}

// inputRecord is the INPUT_RECORD of a key.
type inputRecord struct {
	kind            uint16
	_               uint16
	down            int32
	_, _, _, letter uint16
	_               uint32
}

// pending reports whether input arrives within a time. The console also has records of keys that
// were let go, which no read returns: Enter's own always follows it.
func pending(fd int, within time.Duration) bool {
	const keyEvent, atOnce = 1, 256
	peek := windows.NewLazySystemDLL("kernel32.dll").NewProc("PeekConsoleInputW")
	const step = 10 * time.Millisecond
	for range within / step {
		records, n := make([]inputRecord, atOnce), uint32(0)
		ok, _, _ := peek.Call(uintptr(fd), uintptr(unsafe.Pointer(&records[0])), atOnce, uintptr(unsafe.Pointer(&n))) //nolint:gosec // the system call's form
		if ok == 0 {
			return false
		}
		for _, r := range records[:n] {
			if r.kind == keyEvent && r.down != 0 && r.letter != 0 {
				return true
			}
		}
		windows.SleepEx(uint32(step.Milliseconds()), false)
	}
	return false
}

// notifyContinued returns a channel that tells nothing: Windows stops no program.
func notifyContinued() chan os.Signal { return make(chan os.Signal) }

// Raw reports false: a console always begins a line.
func Raw(*os.File) bool { return false }
