package run

import (
	"errors"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/coffer-secrets/coffer/internal/term"
)

// openPTY makes a terminal. The master obeys deadlines: it is opened without blocking.
func openPTY() (master, slave *os.File, err error) {
	master, err = os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, err
	}
	var number int
	err = control(master, func(fd int) (err error) {
		if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
			return err
		}
		number, err = unix.IoctlGetInt(fd, unix.TIOCGPTN)
		return err
	})
	if err == nil {
		// Not os.OpenFile, which makes a terminal non-blocking, for the child as well.
		name := "/dev/pts/" + strconv.Itoa(number)
		number, err = unix.Open(name, unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
		slave = os.NewFile(uintptr(number), name)
	}
	if err != nil {
		return nil, nil, errors.Join(err, master.Close())
	}
	return master, slave, nil
}

// outerTerminal opens the terminal that a person types at, on its own, so that it can be read without
// blocking. It returns nil if there is none.
func outerTerminal(stdin, screen *os.File) *os.File {
	names := []string{"/dev/tty"}
	if term.IsTerminal(stdin) {
		names = append(names, "/proc/self/fd/"+strconv.Itoa(int(stdin.Fd())))
	}
	for _, name := range append(names, "/proc/self/fd/"+strconv.Itoa(int(screen.Fd()))) {
		if f, err := os.OpenFile(name, os.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK, 0); err == nil {
			return f
		}
	}
	return nil
}

func termios(f *os.File) (t *unix.Termios, err error) {
	err = control(f, func(fd int) error {
		t, err = unix.IoctlGetTermios(fd, unix.TCGETS)
		return err
	})
	return t, err
}

func setTermios(f *os.File, t *unix.Termios) error {
	return control(f, func(fd int) error { return unix.IoctlSetTermios(fd, unix.TCSETS, t) })
}

func copySize(from, to *os.File) {
	var size *unix.Winsize
	err := control(from, func(fd int) (err error) {
		size, err = unix.IoctlGetWinsize(fd, unix.TIOCGWINSZ)
		return err
	})
	if err == nil {
		_ = control(to, func(fd int) error { return unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, size) })
	}
}

// rawTermios returns settings with which a terminal passes each key on as it is, and shows what it
// gets.
func rawTermios(t unix.Termios) *unix.Termios {
	t.Iflag &^= unix.IGNBRK | unix.BRKINT | unix.PARMRK | unix.ISTRIP | unix.INLCR | unix.IGNCR | unix.ICRNL | unix.IXON
	t.Oflag &^= unix.OPOST
	t.Lflag &^= unix.ECHO | unix.ECHONL | unix.ICANON | unix.ISIG | unix.IEXTEN
	t.Cflag = t.Cflag&^(unix.CSIZE|unix.PARENB) | unix.CS8
	t.Cc[unix.VMIN], t.Cc[unix.VTIME] = 1, 0
	return &t
}
