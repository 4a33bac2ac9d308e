// Package scan finds the values of secrets in files, in the index and the history of a git repository, and in
// streams. What it returns has the names of secrets, never a value.
package scan

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"slices"
	"strings"

	"github.com/coffer-secrets/coffer/internal/mask"
)

// Finding is a place that has a secret: a line of a text, or a position in a binary file.
type Finding struct {
	File    string   `json:"file"`
	Commit  string   `json:"commit,omitempty"` // of a history: the first that has it
	Line    int      `json:"line,omitempty"`   // from 1; 0 in a binary file
	Byte    *int64   `json:"byte,omitempty"`   // from 0, of a binary file
	Secrets []string `json:"secrets"`          // SERVICE/KEY of each secret that has this value
	Form    string   `json:"form"`             // how it is written there
}

// What [Scanner.Found] and [Scanner.Failed] name instead of a file.
const (
	StandardInput = "standard input"
	CommitMessage = "commit message"
)

// Scanner scans for the secrets of a matcher. It is not for several goroutines.
type Scanner struct {
	Matcher *mask.Matcher
	Found   func(Finding)                // in the order of files and lines
	Failed  func(name string, err error) // what can't be read, and is left out
	Environ []string                     // of git

	Files  int      // how many were scanned, or versions of files in a history
	Bytes  int64    // of these
	Packed []string // the names of archives and compressed files, which were scanned as they are
	Notes  []string // what else a person has to know

	buffer []byte
}

const (
	chunk   = 256 << 10
	sniffed = 8000 // bytes in which git, too, looks for a NUL to tell a binary file
)

// Stream scans a stream. Its error is that of the stream, or of the context.
func (s *Scanner) Stream(ctx context.Context, name string, r io.Reader) error {
	found, err := s.scan(ctx, name, r)
	s.report(found)
	return err
}

// awaited reads as r does, but doesn't wait for more once the context is canceled: what r still reads, into a buffer
// that nobody uses any longer, is left to itself.
type awaited struct {
	ctx context.Context
	r   io.Reader
}

func (a awaited) Read(p []byte) (int, error) {
	return await(a.ctx, func() (int, error) { return a.r.Read(p) })
}

// await returns what do returns, or the context's error once it is canceled: a file may block when it is opened or read.
func await[T any](ctx context.Context, do func() (T, error)) (T, error) {
	type answer struct {
		of  T
		err error
	}
	done := make(chan answer, 1)
	go func() {
		of, err := do()
		done <- answer{of, err}
	}()
	select {
	case got := <-done:
		return got.of, got.err
	case <-ctx.Done():
		var none T
		return none, ctx.Err()
	}
}

func (s *Scanner) report(found []Finding) {
	for _, f := range found {
		s.Found(f)
	}
}

// scan returns what is found in a file, in the order of its lines, also if it can't be read to the end.
func (s *Scanner) scan(ctx context.Context, name string, r io.Reader) ([]Finding, error) {
	r = awaited{ctx, r}
	if s.buffer == nil {
		s.buffer = make([]byte, chunk)
	}
	s.Files++
	places := places{open: map[string]*place{}}
	finder := s.Matcher.NewFinder(places.add)
	n, err := io.ReadAtLeast(r, s.buffer, sniffed)
	head := s.buffer[:n]
	binary := bytes.IndexByte(head[:min(n, sniffed)], 0) >= 0
	if isPacked(head) {
		s.Packed = append(s.Packed, name)
	}
	for {
		_, _ = finder.Write(s.buffer[:n])
		s.Bytes += int64(n)
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			break
		}
		n, err = r.Read(s.buffer)
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = nil
	}
	return places.findings(name, binary), err
}

// inName returns what is found in the name of a file, and the name as it may be shown.
func (s *Scanner) inName(name string) ([]Finding, string) {
	places := places{open: map[string]*place{}}
	_, _ = s.Matcher.NewFinder(places.add).Write([]byte(name))
	if len(places.all) == 0 {
		return nil, name
	}
	name = s.Hide(name)
	found := places.findings(name, false)
	for i := range found {
		found[i].Line = 0
		found[i].Form = "file name, " + found[i].Form
	}
	return found, name
}

// Hide returns a text with *** in place of secrets.
func (s *Scanner) Hide(text string) string {
	var out strings.Builder
	f := s.Matcher.NewFilter(&out, "***")
	_, _ = f.Write([]byte(text)) // a Builder takes everything
	_ = f.Close()
	return out.String()
}

// isPacked reports whether a file begins as an archive or a compressed file does, whose text can't be seen. A tar
// archive that isn't compressed has its files as they are. The last ones are an object of git, by the levels of
// compression that it uses, and a pack of them.
func isPacked(head []byte) bool {
	return slices.ContainsFunc([]string{
		"PK\x03\x04", "\x1f\x8b", "BZh", "\xfd7zXZ\x00", "\x28\xb5\x2f\xfd", "7z\xbc\xaf\x27\x1c", "Rar!\x1a\x07", "\x04\x22\x4d\x18",
		"x\x01", "x\x9c", "x\xda", "PACK\x00\x00\x00\x02",
	}, func(magic string) bool { return bytes.HasPrefix(head, []byte(magic)) })
}

// places are the places of a file that have secrets.
type places struct {
	all  []*place
	open map[string]*place // by secret: the last place
}

// place is one place: the matches of a secret that overlap, or are on the same line. Parts on lines that follow
// one another are one place, too.
type place struct {
	mask.Match       // the whole value, or else the longest part
	last       int   // line
	end        int64 // byte
}

func (p *places) add(m mask.Match) {
	key := m.Names[0]
	open := p.open[key]
	if open == nil || !open.takes(m) {
		open = &place{Match: m}
		p.all = append(p.all, open)
		p.open[key] = open
	}
	switch length := m.End - m.Start; {
	case open.Part && !m.Part:
		open.Match = m
	case open.Part == m.Part && length > open.End-open.Start:
		open.Form, open.End = m.Form, open.Start+length
	}
	open.last, open.end = max(open.last, m.Last), max(open.end, m.End)
}

// takes reports whether a match, which ends after those before, belongs to the place.
func (p *place) takes(m mask.Match) bool {
	return m.Start < p.end || m.Line <= p.last || m.Part && m.Line == p.last+1
}

// findings returns the places as findings.
func (p *places) findings(name string, binary bool) []Finding {
	slices.SortStableFunc(p.all, func(a, b *place) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), slices.Compare(a.Names, b.Names))
	})
	found := make([]Finding, len(p.all))
	for i, place := range p.all {
		found[i] = Finding{File: name, Line: place.Line, Secrets: place.Names, Form: formOf(place.Match)}
		if binary {
			found[i].Line, found[i].Byte = 0, &place.Start
		}
	}
	return found
}

// formOf says how a secret is written: "base64", or "part, base64".
func formOf(m mask.Match) string {
	switch {
	case !m.Part:
		return m.Form.String()
	case m.Form == mask.Plain:
		return "part"
	}
	return "part, " + m.Form.String()
}
