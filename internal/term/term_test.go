package term

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
)

func TestFilesPipesAndBuffersAreNoTerminals(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "f"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	for _, stream := range []any{f, r, w, &bytes.Buffer{}, nil} {
		if IsTerminal(stream) {
			t.Errorf("%T is a terminal", stream)
		}
	}
	if _, err := (Terminal{In: r, Out: w}).Secret("secret"); !errors.Is(err, ErrNoTerminal) {
		t.Errorf("Secret: %v", err)
	}
	if yes, err := (Terminal{In: r, Out: w}).Confirm("go on?"); yes || !errors.Is(err, ErrNoTerminal) {
		t.Errorf("Confirm: %v, %v", yes, err)
	}
}

func TestReadLineTakesNoByteBehindItsLine(t *testing.T) {
	reader := strings.NewReader("a b \nrest")
	e := editor{in: reader, pending: func() bool { return false }}
	if got, err := e.readLine(); err != nil || got != "a b " {
		t.Errorf("%q, %v", got, err)
	}
	if rest, err := io.ReadAll(reader); err != nil || string(rest) != "rest" {
		t.Errorf("left %q, %v", rest, err)
	}
	e = editor{in: iotest.ErrReader(os.ErrClosed), pending: e.pending}
	if got, err := e.readLine(); got != "" || !errors.Is(err, os.ErrClosed) {
		t.Errorf("an error: %q, %v", got, err)
	}
}
