package cmd_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// editor makes a script the editor of a bench. It has the file in $1.
func (b *bench) editor(script string) {
	b.Helper()
	path := filepath.Join(b.TempDir(), "editor.sh")
	if err := os.WriteFile(path, []byte(script), 0o600); err != nil {
		b.Fatal(err)
	}
	b.env = append(b.env, "EDITOR=sh "+path)
}

func TestEditAsksBeforeItWrites(t *testing.T) {
	b := newDesk(t)
	b.do("write api a -", canary)
	b.do("write api b -", canary)
	b.editor(`sed -i 's/^a: .*/a: "` + canary + `-new"/; /^b:/d' "$1"`)
	for keys, want := range map[string]int{"n\n": 1, "\n": 1, "\x03": 130} {
		p := sit(t, b, "edit api")
		p.sees("api/a: changed")
		p.sees("api/b: will be deleted with all its versions")
		p.sees("Write 1 secret and delete 1 secret? [y/N] ")
		p.types(keys)
		if exit, screen := p.leaves(); exit != want || strings.Contains(screen, canary) || strings.Contains(screen, "kept in") {
			t.Errorf("%q: exit code %d, screen:\n%s", keys, exit, screen)
		}
	}
	if got := b.out("export api"); got != `{"a":"`+canary+`","b":"`+canary+"\"}\n" {
		t.Fatalf("what was declined was done: %s", got)
	}
	p := sit(t, b, "edit api")
	p.sees("[y/N] ")
	p.types("y\n")
	if exit, screen := p.leaves(); exit != 0 || !strings.Contains(screen, "api: 1 updated, 1 deleted") {
		t.Errorf("exit code %d, screen:\n%s", exit, screen)
	}
	if got := b.out("export api"); got != `{"a":"`+canary+"-new\"}\n" {
		t.Errorf("coffer export api: %s", got)
	}
}

func TestAFileThatMakesNoSenseIsEditedAgain(t *testing.T) {
	b := newDesk(t)
	b.do("write api a -", canary)
	// What is wrong at first is right the second time.
	b.editor(`if grep -q '^\[' "$1"; then sed -i 's/^\[.*/b: "` + canary + `"/' "$1"; else echo '[` + canary + `' >>"$1"; fi`)
	p := sit(t, b, "edit api")
	p.sees("it is not valid YAML")
	p.sees("Edit again? [y/N] ")
	p.types("y\n")
	p.sees("api/b: new")
	p.sees("Write 1 secret? [y/N] ")
	p.types("y\n")
	if exit, screen := p.leaves(); exit != 0 || !strings.Contains(screen, "api: 1 created") || strings.Contains(screen, canary) {
		t.Errorf("exit code %d, screen:\n%s", exit, screen)
	}
}

// The editor gets a Ctrl-C; the program waits for it, and goes on.
func TestCtrlCInTheEditorIsTheEditorsOwn(t *testing.T) {
	b := newDesk(t)
	b.do("write api a -", canary)
	b.editor(`trap 'echo heard' INT; echo ready; read -r _; echo 'b: "x"' >>"$1"`)
	p := sit(t, b, "edit api --yes")
	p.sees("ready\r\n")
	p.types("\x03\n") // the line, in case the editor was not reading yet
	if exit, screen := p.leaves(); exit != 0 || !strings.Contains(screen, "heard") || !strings.Contains(screen, "api: 1 created") {
		t.Errorf("exit code %d, screen:\n%s", exit, screen)
	}
}

// Whoever ends the program takes the file with it.
func TestAnEndedEditLeavesNoFile(t *testing.T) {
	for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGHUP} {
		b := newDesk(t)
		b.do("write api a -", canary)
		pipe := filepath.Join(b.TempDir(), "pipe")
		if err := syscall.Mkfifo(pipe, 0o600); err != nil {
			t.Fatal(err)
		}
		b.editor(`echo "$1" >` + pipe + `; read -r _ <` + pipe)
		c := b.command("edit api --yes")
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		path, err := os.ReadFile(pipe) // the editor is at work
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Process.Signal(s); err != nil {
			t.Fatal(err)
		}
		if err := c.Wait(); c.ProcessState.ExitCode() != 130 {
			t.Errorf("%v: %v", s, err)
		}
		if _, err := os.Stat(filepath.Dir(strings.TrimSpace(string(path)))); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%v: the file is still there: %v", s, err)
		}
		out, err := os.OpenFile(pipe, os.O_WRONLY|syscall.O_NONBLOCK, 0) // lets go an editor that outlived its shell
		if err == nil {
			_ = out.Close()
		}
	}
}
