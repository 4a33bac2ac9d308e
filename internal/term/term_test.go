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
	if _, err := Password(r, w, "secret"); !errors.Is(err, ErrNoTerminal) {
		t.Errorf("Password: %v", err)
	}
	if yes, err := Confirm(r, w, "go on?"); yes || !errors.Is(err, ErrNoTerminal) {
		t.Errorf("Confirm: %v, %v", yes, err)
	}
}

func TestReadLineTakesOneLine(t *testing.T) {
	for in, want := range map[string]string{"a b \nrest": "a b ", "a\r\nrest": "a", "\nrest": "", "last": "last"} {
		reader := strings.NewReader(in)
		if got, err := readLine(reader); err != nil || got != want {
			t.Errorf("%q: %q, %v", in, got, err)
		}
		if rest, err := io.ReadAll(reader); err != nil || in != "last" && string(rest) != "rest" {
			t.Errorf("%q leaves %q, %v", in, rest, err)
		}
	}
	if got, err := readLine(strings.NewReader("")); got != "" || !errors.Is(err, io.EOF) {
		t.Errorf("nothing: %q, %v", got, err)
	}
	if got, err := readLine(iotest.ErrReader(os.ErrClosed)); got != "" || !errors.Is(err, os.ErrClosed) {
		t.Errorf("an error: %q, %v", got, err)
	}
}
