//go:build unix

package cmd_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// killSeed returns COFFER_KILLS, or another number each time, and prints it.
func killSeed(t *testing.T) uint64 {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	if text, ok := os.LookupEnv("COFFER_KILLS"); ok {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("COFFER_KILLS=%d", seed)
	return seed
}

// door passes the requests for a bucket on to a server, and springs a trap at one of them.
type door struct {
	url, bucket string
	pass        http.Handler

	mu      sync.Mutex
	left    *sync.Cond
	inside  int
	trap    *trap
	seen    int
	changed int
	puts    map[string]bool
}

type trap struct {
	n       int
	changes bool // the n-th put or delete, else the n-th request
	after   bool // when it was answered
	alone   bool // the program dies alone, and not its machine: what it has sent by then arrives
	spring  func()
	place   string
}

func newDoor(t *testing.T, server, bucket string) *door {
	t.Helper()
	d := &door{bucket: bucket, pass: through(t, server), puts: map[string]bool{}}
	d.left = sync.NewCond(&d.mu)
	front := httptest.NewServer(d)
	t.Cleanup(front.Close)
	d.url = front.URL
	return d
}

// killed is a run that was to be killed.
type killed struct {
	died  bool
	place string
}

// kills runs a command line and kills it at a request, before that is passed on or after its answer
// has come. What was on its way then is applied.
func (d *door) kills(b *bench, line string, at *trap) killed {
	b.Helper()
	c := b.command(line)
	var output bytes.Buffer
	c.Stdout, c.Stderr = &output, &output
	started := make(chan struct{})
	at.spring = func() {
		<-started
		_ = c.Process.Kill()
	}
	d.watch(at)
	if err := c.Start(); err != nil {
		b.Fatal(err)
	}
	close(started)
	err := c.Wait()
	place := d.drain()
	if strings.Contains(output.String(), canary) {
		b.Error("a value was told")
	}
	if place == "" && err != nil {
		b.Fatalf("a run that was not killed: %v\n%s", err, &output)
	}
	_, died := err.(*exec.ExitError)
	return killed{died, place}
}

func (d *door) watch(t *trap) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.trap, d.seen, d.changed, d.puts = t, 0, 0, map[string]bool{}
}

func (d *door) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	d.mu.Lock()
	d.inside++
	defer d.markLeft()
	changes := q.Method == http.MethodPut || q.Method == http.MethodDelete
	t := d.trap
	if changes || t == nil || !t.changes {
		d.seen++
	}
	if t != nil && t.place != "" && !t.alone {
		d.mu.Unlock()
		panic(http.ErrAbortHandler)
	}
	if t != nil && (d.seen != t.n || t.changes && !changes) {
		t = nil
	}
	if t != nil {
		t.place = fmt.Sprintf("%d: %s %s", t.n, q.Method, strings.TrimPrefix(q.URL.Path, "/"+d.bucket+"/"))
	}
	d.mu.Unlock()
	if t != nil && !t.after {
		t.spring()
		panic(http.ErrAbortHandler)
	}
	// What was sent is applied, whatever becomes of the sender.
	answer := httptest.NewRecorder()
	body, err := io.ReadAll(q.Body)
	if err != nil {
		panic(http.ErrAbortHandler) // it was not
	}
	sent := q.Clone(context.WithoutCancel(q.Context()))
	sent.Body = io.NopCloser(bytes.NewReader(body))
	d.pass.ServeHTTP(answer, sent)
	if changes {
		d.mu.Lock()
		d.changed++
		if answer.Code == http.StatusOK && q.Method == http.MethodPut {
			d.puts[strings.TrimPrefix(q.URL.Path, "/"+d.bucket+"/")] = true
		}
		d.mu.Unlock()
	}
	if t != nil {
		t.spring()
		panic(http.ErrAbortHandler)
	}
	maps.Copy(w.Header(), answer.Header())
	w.WriteHeader(answer.Code)
	_, _ = w.Write(answer.Body.Bytes())
}

func (d *door) markLeft() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.inside--
	d.left.Broadcast()
}

// drain waits until all that was sent is applied, and tells where the trap sprang.
func (d *door) drain() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	for d.inside > 0 {
		d.left.Wait()
	}
	place := d.trap.place
	d.trap = nil
	return place
}

func (d *door) stored(name string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.puts[name]
}

func (d *door) changes() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.changed
}

func (d *door) requests() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.seen
}
