package run

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/coffer-secrets/coffer/internal/pace"
	"github.com/coffer-secrets/coffer/internal/term"
)

// terminal connects a child's terminal with the one that this process has: the child's has the same
// size and settings, and while the child is in its foreground, the outer one is raw, so that each key
// reaches the child's.
//
// The child is not the leader of the terminal's session. A leader can't be stopped by Ctrl-Z, so there
// is one more process between ([Lead]), which also gives the child the foreground.
type terminal struct {
	outer  *os.File // the keyboard; nil if there is none
	screen *os.File // the terminal that the child's output goes to
	master *os.File // this process's end of the child's terminal
	slave  *os.File // the child's end
	leader *os.File // a socket to the leader
	keys   *keyboard
	second *terminal // of standard error, if that is yet another terminal

	pid    int           // the child's, and its process group's
	saved  *unix.Termios // of outer, while it is raw; else nil
	front  bool          // the child is to be in the foreground whenever this process is
	halted bool          // the child is stopped
}

// openTerminal makes a terminal for one output. The first is the one that controls the child.
func (p *program) openTerminal(r *relay, screen *os.File) error {
	master, slave, err := openPTY()
	if err != nil {
		return fmt.Errorf("create a terminal for %s: %w", p.path, err)
	}
	r.from, r.child = master, slave
	if settings, err := termios(screen); err == nil {
		_ = setTermios(slave, settings)
	}
	copySize(screen, master)
	if p.terminal != nil { // standard error is another terminal than standard output
		p.terminal.second = &terminal{screen: screen, master: master}
	} else {
		p.terminal = &terminal{screen: screen, master: master, slave: slave, outer: outerTerminal(p.a.Stdin, screen)}
		p.terminal.keys = &keyboard{from: p.terminal.outer, to: master}
	}
	return nil
}

// runOnTerminal runs the child on its terminal until it ends.
func (p *program) runOnTerminal(signals <-chan os.Signal) (status, error) {
	t := p.terminal
	defer t.close()
	kill := func(s syscall.Signal) { _ = syscall.Kill(t.pid, s) }
	reports, err := p.startLeader()
	if err != nil {
		return 0, fmt.Errorf("create a terminal for %s: %w", p.path, err)
	}
	defer func() { _ = t.leader.Close() }()
	// In a pipeline another program may want the terminal: then the child takes it when it needs it.
	t.front = term.IsTerminal(p.a.Stdin) && term.IsTerminal(p.a.Stdout) && t.inFront()
	if t.front {
		t.takeKeys()
	}
	if err := sendCommand(t.leader, command{t.front, p.path, p.argv, p.env}); err != nil {
		return 0, fmt.Errorf("create a terminal for %s: %w", p.path, err)
	}
	first := <-reports
	if first.kind == leaderFailed {
		return 0, notExecuted(p.path, syscall.Errno(first.number))
	}
	t.pid = int(first.number)
	p.started()
	for {
		select {
		case r, ok := <-reports:
			if w, ended := t.reported(r, ok); ended {
				p.ended()
				return status(w), nil
			}
		case s := <-signals:
			p.signaled(s)
			t.signal(s.(syscall.Signal))
		case env := <-p.Changes:
			if len(reports) == 0 { // it has not ended by itself
				p.changed(env, kill)
			} else {
				p.held, p.hold = env, pace.After(0)
			}
		case <-p.hold:
			p.released(kill)
		case <-p.stopping:
			kill(syscall.SIGKILL)
		}
	}
}

// reported does what a report of the leader asks for, or returns how the child has ended. ok is false if
// the leader was killed, and with it the child.
func (t *terminal) reported(r leaderReport, ok bool) (w syscall.WaitStatus, ended bool) {
	if !ok {
		return syscall.WaitStatus(syscall.SIGKILL), true
	}
	w = syscall.WaitStatus(r.number)
	if w.Stopped() {
		t.stopped(w.StopSignal())
		return w, false
	}
	return w, true
}

// startLeader starts the leader of the child's session, which then waits for the command.
func (p *program) startLeader() (<-chan leaderReport, error) {
	t := p.terminal
	sockets, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	t.leader = os.NewFile(uintptr(sockets[0]), "leader")
	theirs := os.NewFile(uintptr(sockets[1]), "leader")
	defer func() { _ = theirs.Close() }()
	if term.IsTerminal(p.files[0]) {
		p.files[0] = t.slave
	}
	leader := *p
	leader.path, leader.argv, leader.env = "/proc/self/exe", []string{os.Args[0], LeaderCommand}, nil
	leader.files = append(p.files, t.slave, theirs)
	if t.outer != nil {
		leader.files = append(leader.files, t.outer)
	}
	pid, err := leader.fork(&syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: leaderTerminal})
	if err != nil {
		return nil, err
	}
	go waitFor(pid, func(syscall.Signal) {})
	reports := make(chan leaderReport, 1)
	go func() {
		defer close(reports)
		for {
			r, err := receiveReport(t.leader)
			if err != nil {
				return
			}
			reports <- r
		}
	}()
	if r, ok := <-reports; !ok || r.kind != leaderReady {
		return nil, errors.New("its first process ended at once")
	}
	return reports, nil
}

// tell tells the leader. If it is not there any more, its reports end.
func (t *terminal) tell(order byte) { _, _ = t.leader.Write([]byte{order}) }

// signal passes a signal of this process on. While the outer terminal is raw, none comes from its
// keyboard: each was sent to this process alone.
func (t *terminal) signal(s syscall.Signal) {
	switch s {
	case syscall.SIGPIPE: // this process's own
	case syscall.SIGWINCH:
		t.resize()
	case syscall.SIGCONT:
		t.resume()
	case syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTSTP:
		if t.saved == nil {
			_ = syscall.Kill(-t.pid, s)
			return
		}
		fallthrough
	default:
		_ = syscall.Kill(t.pid, s)
	}
}

// inFront reports whether this process is in the foreground of its terminal. Without job control it
// always is.
func (t *terminal) inFront() bool {
	if t.outer == nil {
		return true
	}
	var group int
	err := control(t.outer, func(fd int) (err error) {
		group, err = unix.IoctlGetInt(fd, unix.TIOCGPGRP)
		return err
	})
	return err != nil || group == unix.Getpgrp()
}

// takeKeys makes the outer terminal raw, and passes its keys on. It may be raw already, or have been
// until this process was stopped.
func (t *terminal) takeKeys() {
	if t.outer == nil {
		return
	}
	if t.saved == nil {
		settings, err := termios(t.outer)
		if err != nil {
			return
		}
		t.saved = settings
		t.keys.start()
	}
	_ = setTermios(t.outer, rawTermios(*t.saved))
	t.resize()
}

// returnKeys restores the outer terminal, unless another program has it now.
func (t *terminal) returnKeys() {
	if t.saved == nil {
		return
	}
	t.keys.stop()
	if t.inFront() {
		_ = setTermios(t.outer, t.saved)
	}
	t.saved = nil
}

// close gives the outer terminal back.
func (t *terminal) close() {
	t.returnKeys()
	if t.outer != nil {
		_ = t.outer.Close()
	}
}

// resize tells the child the size of the outer terminal. In the foreground it gets the signal from its
// own terminal.
func (t *terminal) resize() {
	copySize(t.screen, t.master)
	if t.second != nil {
		copySize(t.second.screen, t.second.master)
	}
	if !t.front && t.pid > 0 {
		_ = syscall.Kill(-t.pid, syscall.SIGWINCH)
	}
}

// stopped does what a stop of the child asks for.
func (t *terminal) stopped(s syscall.Signal) {
	t.halted = true
	if s == syscall.SIGTTIN || s == syscall.SIGTTOU { // the child wants the terminal
		if t.inFront() {
			t.front, t.halted = true, false
			t.takeKeys()
			t.tell(leaderTake)
			return
		}
	}
	t.returnKeys()
	t.tell(leaderRest)
	if s == syscall.SIGSTOP {
		raise(s)
	} else {
		stopAll(s)
	}
	t.resume()
}

// resume is for when this process is continued: in the foreground or not.
func (t *terminal) resume() {
	if t.front && t.inFront() {
		t.takeKeys()
		t.tell(leaderFront)
	} else {
		t.returnKeys()
		if t.halted {
			t.tell(leaderBack)
		} else {
			t.tell(leaderRest)
		}
	}
	t.halted = false
}
