package run

import (
	"errors"
	"os"
	"sync"
	"time"

	"github.com/coffer-secrets/coffer/internal/mask"
)

const (
	// typing and silence are the times without output after which a filter may show the first bytes
	// of what could be a secret: on a terminal a person waits to see what he has typed. In a pipe
	// another program may wait for a message that ends so.
	typing  = 10 * time.Millisecond
	silence = time.Second

	// drain is the time without output after which nothing more of the child is expected, once it
	// has ended. Only if another process has its streams does a relay wait for it.
	drain = 50 * time.Millisecond

	// leftover is how much output a relay reads after the end of the child. Pipes and terminals hold
	// less; more comes from processes that the child has left behind.
	leftover = 1 << 20
)

// relay copies one output of the child through a filter.
type relay struct {
	from, child *os.File // the end that this process reads, and the child's
	filter      *mask.Filter
	quiet       time.Duration // when the output counts as paused
	now         func() time.Time
	done        chan struct{}
	lost        error // why output could not be written on; valid once done

	mu      sync.Mutex
	ending  bool          // the child has ended
	matcher *mask.Matcher // to be used from now on; nil if none is
}

// use has the relay hide other secrets, from the first output on with which none may have begun.
func (r *relay) use(m *mask.Matcher) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.matcher = m
}

// write passes output on through the filter.
func (r *relay) write(p []byte) error {
	r.mu.Lock()
	if r.matcher != nil && r.filter.Use(r.matcher) {
		r.matcher = nil
	}
	r.mu.Unlock()
	_, err := r.filter.Write(p)
	return err
}

func (r *relay) run() {
	defer close(r.done)
	defer func() { _ = r.from.Close() }() // a child that goes on writing gets an error, as without this process
	buffer := make([]byte, 64<<10)
	quieted, after := false, 0
	for {
		ending := r.setDeadline(!quieted && r.filter.Keeps())
		n, err := r.from.Read(buffer)
		if n > 0 {
			quieted = false
			if r.lost = r.write(buffer[:n]); r.lost != nil {
				return
			}
		}
		if ending {
			after += n
		}
		switch {
		case err == nil && after <= leftover:
		case errors.Is(err, os.ErrDeadlineExceeded) && !ending:
			quieted = true
			if r.lost = r.filter.Pause(); r.lost != nil {
				return
			}
		default: // the end, which a terminal reports as EIO
			r.lost = r.filter.Close()
			return
		}
	}
}

// setDeadline sets the deadline of the next read, and reports whether the child has ended. A system
// may have no deadlines for pipes: there the relay reads on, up to the end of the last process that
// has the stream, and shows what could be the beginning of a secret only once more output comes.
func (r *relay) setDeadline(keeps bool) (ending bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	at := time.Time{}
	switch {
	case r.ending:
		at = r.now().Add(drain)
	case keeps:
		at = r.now().Add(r.quiet)
	}
	_ = r.from.SetReadDeadline(at)
	return r.ending
}

// end waits for the rest of the output, once the child has ended.
func (r *relay) end() {
	r.mu.Lock()
	r.ending = true
	_ = r.from.SetReadDeadline(r.now().Add(drain))
	r.mu.Unlock()
	<-r.done
}
