package mcpserver

import (
	"context"
	"io"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"time"

	"github.com/coffer-secrets/coffer/internal/mask"
)

const (
	// grace is the time that the processes of a command have to end after they were asked to.
	grace = 3 * time.Second

	// drain is how long output is read on after the end of the processes, for one that has left their
	// group.
	drain = 200 * time.Millisecond
)

// child is one run of a command.
type child struct {
	path      string
	argv, env []string
	matcher   *mask.Matcher
	mark      string
	now       func() time.Time

	short          []string // secrets that are not hidden
	ended          bool     // before its own end
	stdout, stderr output
	hidden         mask.Hidden
}

// run runs the command until it ends, or until the context ends: then all of its processes are ended,
// first asked to, and killed after [grace]. What it leaves behind is killed too. It has no terminal and
// nothing on standard input. The status is that of a shell.
func (c *child) run(ctx context.Context) (status int, err error) {
	// The system kills the child when this thread ends.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	process := &exec.Cmd{Path: c.path, Args: c.argv, Env: c.env, SysProcAttr: childAttributes()}
	var readers []*reader
	for _, to := range []struct {
		end *io.Writer
		out *output
	}{{&process.Stdout, &c.stdout}, {&process.Stderr, &c.stderr}} {
		from, end, err := os.Pipe()
		if err != nil {
			closeAll(readers)
			return 0, err
		}
		*to.end = end
		readers = append(readers, &reader{from: from, end: end, filter: c.matcher.NewFilter(to.out, c.mark)})
	}
	if err := process.Start(); err != nil {
		closeAll(readers)
		return 0, err
	}
	var all sync.WaitGroup
	for _, r := range readers {
		_ = r.end.Close()
		all.Go(r.copy)
	}
	c.wait(ctx, process)
	for _, r := range readers {
		_ = r.from.SetReadDeadline(c.now().Add(drain))
	}
	all.Wait()
	for _, r := range readers {
		c.hidden.Add(r.filter.Hidden())
	}
	return exitStatus(process.ProcessState), nil
}

// wait waits for the end of the process, and ends all of its group.
func (c *child) wait(ctx context.Context, process *exec.Cmd) {
	ended := make(chan struct{})
	go func() {
		waitUntilEnded(process)
		close(ended)
	}()
	select {
	case <-ended:
	case <-ctx.Done():
		c.ended = true
		askToEnd(process)
		patience, stop := context.WithTimeout(context.WithoutCancel(ctx), grace)
		defer stop()
		select {
		case <-ended:
		case <-patience.Done():
		}
	}
	kill(process)
	<-ended
	_ = process.Wait() // the status is in ProcessState
}

// reader reads one output of a child through a filter.
type reader struct {
	from, end *os.File // the end that this process reads, and the child's
	filter    *mask.Filter
}

// copy reads up to the end, or to the deadline. A pipe without deadlines, as on Windows, is read up to
// the end of the last process that has it.
func (r *reader) copy() {
	_, _ = io.Copy(r.filter, r.from)
	_ = r.filter.Cut()
	_ = r.from.Close()
}

func closeAll(readers []*reader) {
	for _, r := range readers {
		_, _ = r.from.Close(), r.end.Close()
	}
}
