package progress_test

import (
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"github.com/coffer-secrets/coffer/internal/progress"
)

// openTerminal returns a terminal of so many columns, and what reads its screen once nobody
// draws any more.
func openTerminal(t *testing.T, columns uint16) (tty *os.File, screen func() string) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skip("this system gives no terminal:", err)
	}
	t.Cleanup(func() { _ = master.Close() })
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	tty, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err == nil {
		err = unix.IoctlSetWinsize(int(tty.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: columns})
	}
	if err != nil {
		t.Fatal(err)
	}
	seen := make(chan string)
	go func() { // a terminal that nobody reads stops who writes
		text, _ := io.ReadAll(master) // ends with an error when the terminal is closed
		seen <- string(text)
	}()
	return tty, func() string {
		_ = tty.Close()
		return <-seen
	}
}

// slowly is a clock for work that takes a second a step.
func slowly() func() time.Time {
	var mu sync.Mutex
	at := time.Unix(0, 0)
	return func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		at = at.Add(time.Second)
		return at
	}
}

var escape = regexp.MustCompile(`\x1b\[[0-9;]*[A-Za-z]`)

func TestTheLineCountsAndGoesAway(t *testing.T) {
	tty, screen := openTerminal(t, 80)
	line := progress.New(tty, slowly(), 4, "imported")
	for range 3 {
		line.Add()
	}
	line.Done()
	line.Add() // late
	line.Done()
	_, _ = tty.WriteString("then")
	got := screen()
	for _, want := range []string{"imported  25% [", "] (1/4)", "imported  75% [", "] (3/4)"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q lacks %q", got, want)
		}
	}
	if !strings.HasSuffix(got, "(3/4) \x1b[0K\x1b[2K\rthen") || strings.Contains(got, "\n") {
		t.Errorf("the line does not go away before the rest: %q", got)
	}
	for _, sequence := range escape.FindAllString(got, -1) {
		if !strings.HasSuffix(sequence, "K") {
			t.Errorf("%q does more than erase: %q", sequence, got)
		}
	}
}

func TestWorkThatIsDoneLeavesNoLine(t *testing.T) {
	tty, screen := openTerminal(t, 80)
	line := progress.New(tty, slowly(), 2, "imported")
	for range 3 { // one more than was said
		line.Add()
	}
	line.Done()
	if got := screen(); !strings.HasSuffix(got, "\x1b[2K\r") || strings.Contains(got, "\n") {
		t.Errorf("%q", got)
	}
}

func TestWorkThatTakesNoTimeDrawsNothing(t *testing.T) {
	tty, screen := openTerminal(t, 80)
	line := progress.New(tty, func() time.Time { return time.Unix(0, 0) }, 2, "imported")
	line.Add()
	line.Add()
	line.Done()
	if got := screen(); got != "" {
		t.Errorf("%q is drawn", got)
	}
}

func TestTheLineFitsItsTerminal(t *testing.T) {
	tty, screen := openTerminal(t, 40)
	line := progress.New(tty, slowly(), 1000, "api/worker: moved")
	for range 3 {
		line.Add()
	}
	line.Done()
	for drawn := range strings.SplitSeq(screen(), "\r") {
		if text := escape.ReplaceAllString(drawn, ""); utf8.RuneCountInString(text) > 40 {
			t.Errorf("%q is wider than the terminal", text)
		}
	}
}

func TestManyMayCount(t *testing.T) {
	tty, screen := openTerminal(t, 80)
	line := progress.New(tty, slowly(), 100, "imported")
	var all sync.WaitGroup
	for range 10 {
		all.Go(func() {
			for range 9 {
				line.Add()
			}
		})
	}
	all.Wait()
	line.Done()
	if got := screen(); !strings.HasSuffix(got, "(90/100) \x1b[0K\x1b[2K\r") {
		t.Errorf("it ends with %q", got[max(0, len(got)-80):])
	}
}
