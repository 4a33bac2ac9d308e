//go:build unix

package term

import (
	"errors"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// mode is the mode of a terminal before a question, and during it.
type mode struct {
	fd            int
	before, asked unix.Termios
}

// setMode turns off the echo and the line editing of a terminal. Keys still send signals.
func setMode(fd int) (*mode, error) {
	before, err := unix.IoctlGetTermios(fd, getTermios)
	if err != nil {
		return nil, err
	}
	m := &mode{fd: fd, before: *before, asked: *before}
	m.asked.Lflag &^= unix.ECHO | unix.ECHONL | unix.ICANON | unix.IEXTEN
	// Without NOFLSH the kernel drops output, too, after it has sent the signal: often our last message.
	m.asked.Lflag |= unix.ISIG | unix.NOFLSH
	m.asked.Iflag &^= unix.ISTRIP | unix.INLCR | unix.IGNCR
	m.asked.Iflag |= unix.ICRNL
	m.asked.Cc[unix.VMIN], m.asked.Cc[unix.VTIME] = 1, 0
	return m, m.enter()
}

// enter sets the mode of the question. Input that is pending stays.
func (m *mode) enter() error { return unix.IoctlSetTermios(m.fd, setTermios, &m.asked) }

// leave restores the mode, with drop without the input that is pending.
func (m *mode) leave(drop bool) error {
	if drop {
		return unix.IoctlSetTermios(m.fd, setTermiosFlush, &m.before)
	}
	return unix.IoctlSetTermios(m.fd, setTermios, &m.before)
}

// Raw reports whether a stream is a terminal that takes a line feed for just that, and begins no line.
func Raw(f *os.File) bool {
	settings, err := unix.IoctlGetTermios(int(f.Fd()), getTermios)
	return err == nil && settings.Oflag&unix.OPOST == 0
}

// pending reports whether input arrives within a time.
func pending(fd int, within time.Duration) bool {
	for { // a signal, such as those of Go's scheduler, begins the time anew
		fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}} //nolint:gosec // a file descriptor is small
		n, err := unix.Poll(fds, int(within.Milliseconds()))
		if !errors.Is(err, unix.EINTR) {
			return err == nil && n > 0 && fds[0].Revents&unix.POLLIN != 0
		}
	}
}

// notifyContinued returns a channel that tells when the program goes on after it was stopped.
func notifyContinued() chan os.Signal {
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGCONT)
	return c
}
