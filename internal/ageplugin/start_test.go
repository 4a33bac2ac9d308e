//go:build unix

package ageplugin_test

import (
	"bytes"
	"io"
	"os"
	"strings"
	"testing"

	"filippo.io/age/plugin"

	"github.com/coffer-secrets/coffer/internal/ageplugin"
)

func TestWhoStartsThePluginByHandIsToldHowAgeDoes(t *testing.T) {
	for _, tt := range []struct {
		args []string
		code int
	}{
		{nil, 2},
		{[]string{"--help"}, 0},
		{[]string{"-h"}, 0},
		{[]string{"exec", "api", "--", "true"}, 2},
		{[]string{"--age-plugin=identity-v9"}, 2},
		{[]string{"--age-plugin=identity-v1", "more"}, 2},
	} {
		var out, errs strings.Builder
		code := ageplugin.Run(tt.args, ageplugin.Streams{Stdin: strings.NewReader(""), Stdout: &out, Stderr: &errs}, keys{})
		text := errs.String()
		if tt.code == 0 {
			text = out.String()
		}
		if code != tt.code || !strings.Contains(text, "age -d -j coffer FILE") {
			t.Errorf("%q: code %d, %q", tt.args, code, text)
		}
	}
}

func TestHelpThatIsNotWrittenFails(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip("there is no /dev/full here:", err)
	}
	defer full.Close()
	var errs strings.Builder
	code := ageplugin.Run([]string{"--help"}, ageplugin.Streams{Stdin: strings.NewReader(""), Stdout: full, Stderr: &errs}, keys{})
	if code != 1 || !strings.Contains(errs.String(), "no space left") {
		t.Errorf("code %d, %q", code, errs.String())
	}
}

func TestNameOfThePlugin(t *testing.T) {
	for name, want := range map[string]bool{
		"age-plugin-coffer":                true,
		"/usr/local/bin/age-plugin-coffer": true,
		"./age-plugin-coffer":              true,
		"age-plugin-coffer.exe":            true,
		"AGE-PLUGIN-COFFER.EXE":            true,
		"coffer":                           false,
		"/opt/age-plugin-coffer/coffer":    false,
		"age-plugin-coffer2":               false,
		"xage-plugin-coffer":               false,
		"age-plugin-coffer.exe.exe":        false,
		".exe":                             false,
		"":                                 false,
		"/":                                false,
	} {
		if got := ageplugin.Named(name); got != want {
			t.Errorf("%q: %v", name, got)
		}
	}
}

// FuzzClient: whatever a client sends, the plugin ends, and gives no key for what isn't a stanza of ours.
func FuzzClient(f *testing.F) {
	valid := "-> add-identity " + plugin.EncodeIdentity("coffer", nil) + "\n\n-> recipient-stanza 0 test-wrap opens\nAAAA\n-> done\n\n-> ok\n\n-> ok\n\n-> ok\n\n"
	f.Add([]byte(valid))
	f.Add([]byte(strings.Replace(valid, " 0 ", " 1 ", 1)))
	f.Add([]byte(strings.Replace(valid, " opens", "", 1)))
	f.Add([]byte(strings.Replace(valid, "done", "x", 1)))
	f.Add([]byte("\x00\xff\n"))
	f.Fuzz(func(t *testing.T, sent []byte) {
		var out bytes.Buffer
		ageplugin.Run([]string{"--age-plugin=identity-v1"}, ageplugin.Streams{Stdin: bytes.NewReader(sent), Stdout: &out, Stderr: io.Discard}, keys{})
		if bytes.Contains(out.Bytes(), []byte("-> file-key")) && !bytes.Contains(sent, []byte(wraps+" ")) {
			t.Errorf("%q is answered with %q", sent, out.Bytes())
		}
	})
}
