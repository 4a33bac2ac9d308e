package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
)

// event is a line of `go test -json`: see `go doc test2json`.
type event struct{ Action, Package, Test, Output string }

// line is a line of output of a test, or of its package if test is "".
type line struct{ test, text string }

// report turns the events of go test back into its output without -json, and collects the skips.
type report struct {
	out    io.Writer
	lines  map[string][]line   // by package, until the package ends
	failed map[string][]string // by package: the failed tests, in the order in which they ended
	skips  map[string][]string // by reason: the tests
	broken bool                // a package failed
	err    error               // of the first failed write
}

func newReport(out io.Writer) *report {
	return &report{out: out, lines: map[string][]line{}, failed: map[string][]string{}, skips: map[string][]string{}}
}

func (r *report) say(text string) {
	if _, err := io.WriteString(r.out, text); err != nil && r.err == nil {
		r.err = err
	}
}

// follow reads all events. A line that isn't an event is printed unchanged.
func (r *report) follow(events io.Reader) error {
	lines := bufio.NewReader(events)
	for {
		text, err := lines.ReadString('\n')
		var e event
		if text != "" && json.Unmarshal([]byte(text), &e) != nil {
			r.say(text)
		} else if text != "" {
			r.take(e)
		}
		if err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
	}
}

func (r *report) take(e event) {
	switch {
	case e.Action == "build-output":
		r.say(e.Output)
	case e.Action == "output":
		r.lines[e.Package] = append(r.lines[e.Package], line{e.Test, e.Output})
	case e.Action == "fail" && e.Test != "":
		r.failed[e.Package] = append(r.failed[e.Package], e.Test)
	case e.Action == "skip" && e.Test != "":
		why := r.reason(e)
		r.skips[why] = append(r.skips[why], path.Base(e.Package)+": "+e.Test)
	case e.Test == "" && slices.Contains([]string{"pass", "fail", "skip"}, e.Action):
		r.ended(e.Package, e.Action == "fail")
	}
}

// ended prints what go test prints for a package, and discards its lines.
func (r *report) ended(name string, failed bool) {
	if failed {
		r.broken = true
		for _, test := range slices.Sorted(slices.Values(r.failed[name])) { // each before its subtests
			r.printFailure(name, test)
		}
	}
	for _, l := range r.lines[name] {
		ends := strings.HasPrefix(l.text, "ok  \t") || strings.HasPrefix(l.text, "?   \t")
		if l.test == "" && (failed || ends) {
			r.say(l.text)
		}
	}
	delete(r.lines, name)
	delete(r.failed, name)
}

// printFailure prints a test's result, and below it the test's output, indented by the depth of its
// name.
func (r *report) printFailure(name, test string) {
	depth := strings.Repeat("    ", strings.Count(test, "/"))
	var said []string
	for _, l := range r.lines[name] {
		switch {
		case l.test != test || strings.HasPrefix(l.text, "=== "):
		case strings.HasPrefix(l.text, "--- FAIL: "):
			r.say(depth + l.text)
		default:
			said = append(said, depth+l.text)
		}
	}
	r.say(strings.Join(said, ""))
}

// told matches a line of a test's log: "    file_test.go:12: text".
var told = regexp.MustCompile(`^\s+\S+\.go:\d+: (.*)\n$`)

// reason returns the last line that a test logged before it was skipped.
func (r *report) reason(e event) string {
	for _, l := range slices.Backward(r.lines[e.Package]) {
		if m := told.FindStringSubmatch(l.text); m != nil && l.test == e.Test {
			return m[1]
		}
	}
	return "no reason given"
}

// end prints go test's last line, and the reasons of the skips, beginning with those that an
// installation would fix.
func (r *report) end() {
	if r.broken {
		r.say("FAIL\n")
	}
	reasons := slices.Sorted(maps.Keys(r.skips))
	missing := func(why string) bool { return strings.Contains(why, " is missing: ") }
	r.list("Skipped because a program is missing; to run them, install it:", reasons, missing)
	r.list("Skipped because they do not apply here:", reasons, func(why string) bool { return !missing(why) })
}

func (r *report) list(title string, reasons []string, in func(string) bool) {
	for _, why := range reasons {
		if !in(why) {
			continue
		}
		if title != "" {
			r.say("\n" + title + "\n")
			title = ""
		}
		tests := r.skips[why]
		more := ""
		if len(tests) > 1 {
			more = fmt.Sprintf(" and %d more", len(tests)-1)
		}
		r.say("  " + why + "\n      " + tests[0] + more + "\n")
	}
}
