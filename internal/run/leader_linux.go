package run

import (
	"encoding/binary"
	"errors"
	"io"
	"os"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/coffer-secrets/coffer/internal/app"
)

// LeaderCommand is the hidden command that [Lead] implements.
const LeaderCommand = "__terminal"

// The descriptors of the leader, besides the child's standard streams.
const (
	leaderTerminal = 3 // the child's
	leaderSocket   = 4 // to the process that started it
	leaderOuter    = 5 // the outer terminal, if there is one
)

// What the leader is told.
const (
	leaderFront = 'F' // the outer terminal is raw: the child goes on, and has the foreground as before
	leaderTake  = 'T' // the same, and the child takes the foreground
	leaderBack  = 'B' // it isn't: the child goes on in the background
	leaderRest  = 'R' // it isn't: the child stays as it is
)

// What the leader reports.
const (
	leaderReady  = 'r'
	leaderPID    = 'p' // the child runs
	leaderFailed = 'f' // it couldn't be started: an errno
	leaderStatus = 'w' // a wait status of the child
)

type leaderReport struct {
	kind   byte
	number uint32
}

// send sends a report. If nobody is there any more, the reading side knows.
func (r leaderReport) send(to io.Writer) {
	_, _ = to.Write(binary.BigEndian.AppendUint32([]byte{r.kind}, r.number))
}

func receiveReport(from io.Reader) (leaderReport, error) {
	var b [5]byte
	_, err := io.ReadFull(from, b[:])
	return leaderReport{b[0], binary.BigEndian.Uint32(b[1:])}, err
}

// command is what the leader runs. With front the child has the foreground from the beginning.
type command struct {
	front     bool
	path      string
	argv, env []string
}

// sendCommand sends what to run. The environment isn't the leader's own: other processes of the user
// could read it there.
func sendCommand(to io.Writer, c command) error {
	fields := append([]string{strconv.FormatBool(c.front), c.path, strconv.Itoa(len(c.argv))}, c.argv...)
	text := strings.Join(append(fields, c.env...), "\x00")
	_, err := to.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(text))), text...)) //nolint:gosec // execve takes less
	return err
}

func receiveCommand(from io.Reader) (c command, err error) {
	var size [4]byte
	if _, err := io.ReadFull(from, size[:]); err != nil {
		return command{}, err
	}
	text := make([]byte, binary.BigEndian.Uint32(size[:]))
	if _, err := io.ReadFull(from, text); err != nil {
		return command{}, err
	}
	fields := strings.Split(string(text), "\x00")
	count, err := strconv.Atoi(fields[2])
	return command{fields[0] == "true", fields[1], fields[3 : 3+count], fields[3+count:]}, err
}

// leader is the process that leads the session of the child's terminal.
type leader struct {
	socket *os.File
	pid    int
}

// Lead is the hidden command of the leader. It runs the command that it gets, and reports its stops
// and its end. If the process that started it is killed, it kills the child and restores the outer
// terminal.
func Lead(a *app.App) int {
	if kind, err := unix.GetsockoptInt(leaderSocket, unix.SOL_SOCKET, unix.SO_TYPE); err != nil || kind != unix.SOCK_STREAM {
		return a.Fail(app.Usage("%s is for exec --mask alone", LeaderCommand))
	}
	for fd := leaderTerminal; fd <= leaderOuter; fd++ {
		unix.CloseOnExec(fd)
	}
	l := &leader{socket: os.NewFile(leaderSocket, "socket")}
	settings, _ := unix.IoctlGetTermios(leaderOuter, unix.TCGETS)
	leaderReport{leaderReady, 0}.send(l.socket)
	c, err := receiveCommand(l.socket)
	if err != nil {
		return app.ExitOther
	}
	if !l.start(a, c) {
		return app.ExitOther
	}
	ended := make(chan struct{})
	go func() {
		w := waitFor(l.pid, func(s syscall.Signal) { leaderReport{leaderStatus, uint32(s)<<8 | 0x7f}.send(l.socket) }) //nolint:gosec // a signal
		close(ended)
		_ = unix.Close(leaderTerminal) // the last one, unless the child has left processes behind
		leaderReport{leaderStatus, uint32(w)}.send(l.socket)
	}()
	raw := l.obey(c.front)
	select {
	case <-ended:
	default: // the other process was killed
		_ = syscall.Kill(l.pid, syscall.SIGKILL)
		if raw && settings != nil {
			_ = unix.IoctlSetTermios(leaderOuter, unix.TCSETS, settings)
		}
	}
	return app.ExitDone
}

// start starts the child, in a process group of its own: only that can be stopped and continued.
func (l *leader) start(a *app.App, c command) bool {
	// While the child starts these have a handler, which execve takes away. An ignored signal would
	// stay ignored.
	jobControl := []os.Signal{syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGTSTP, syscall.SIGTTIN, syscall.SIGTTOU}
	caught := make(chan os.Signal, 1)
	for _, s := range jobControl {
		if !signal.Ignored(s) {
			signal.Notify(caught, s)
		}
	}
	runtime.LockOSThread() // the child is killed when this thread ends
	a.Restore()
	pid, err := syscall.ForkExec(c.path, c.argv, &syscall.ProcAttr{
		Env: c.env, Files: []uintptr{0, 1, 2},
		Sys: &syscall.SysProcAttr{Setpgid: true, Foreground: c.front, Ctty: leaderTerminal, Pdeathsig: syscall.SIGKILL},
	})
	ForbidCore()
	signal.Ignore(jobControl...)
	if err != nil {
		var errno syscall.Errno
		_ = errors.As(err, &errno)
		leaderReport{leaderFailed, uint32(errno)}.send(l.socket)
		return false
	}
	l.pid = pid
	leaderReport{leaderPID, uint32(pid)}.send(l.socket) //nolint:gosec // positive
	return l.letGo() == nil
}

// letGo gives up the child's streams, so that their readers see the end of them.
func (l *leader) letGo() error {
	null, err := unix.Open(os.DevNull, unix.O_RDWR|unix.O_CLOEXEC, 0)
	for fd := range 3 {
		err = errors.Join(err, unix.Dup3(null, fd, unix.O_CLOEXEC))
	}
	return errors.Join(err, unix.Close(null))
}

// obey does what it is told until nobody is there any more. raw is whether the outer terminal is raw:
// at first, and in the end.
func (l *leader) obey(raw bool) bool {
	front := l.pid // the process group that has the foreground, or had it
	for {
		var order [1]byte
		if _, err := io.ReadFull(l.socket, order[:]); err != nil {
			return raw
		}
		if group, err := unix.IoctlGetInt(leaderTerminal, unix.TIOCGPGRP); err == nil && group != unix.Getpgrp() {
			front = group
		}
		raw = order[0] == leaderFront || order[0] == leaderTake
		switch order[0] {
		case leaderTake:
			front = l.pid
			fallthrough
		case leaderFront:
			if foreground(front) != nil {
				front = l.pid // that group has ended
				_ = foreground(front)
			}
			l.resume(front)
		case leaderBack:
			_ = foreground(unix.Getpgrp())
			l.resume(front)
		}
	}
}

func foreground(group int) error {
	return unix.IoctlSetPointerInt(leaderTerminal, unix.TIOCSPGRP, group)
}

// resume continues the child, and the group that had the foreground, such as a job of a shell.
func (l *leader) resume(front int) {
	if front != l.pid {
		_ = syscall.Kill(-front, syscall.SIGCONT)
	}
	_ = syscall.Kill(-l.pid, syscall.SIGCONT)
}
