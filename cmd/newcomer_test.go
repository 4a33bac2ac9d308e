//go:build unix

package cmd_test

import (
	"strings"
	"testing"
)

func TestAnEditorThatCannotStartIsNamed(t *testing.T) {
	t.Parallel()
	b := onDisk(t)
	b.do("write api key -", canary)
	file := b.scratch("file", "no program")
	for _, test := range []struct{ env, reason, hint string }{
		{"EDITOR=vimx", `"vimx": there is no such program`, "set EDITOR to"},
		{"EDITOR=vimx --wait", `"vimx --wait": there is no such program`, "set EDITOR to"},
		{"EDITOR='vimx'", `"'vimx'": there is no such program`, "set EDITOR to"}, // through a shell
		{"VISUAL=/nowhere/vim", `"/nowhere/vim": there is no such program`, "set VISUAL to"},
		{"EDITOR=" + file, `"` + file + `": permission denied`, "set EDITOR to"},
	} {
		run := &bench{T: t, env: append(b.env, "VISUAL=", test.env)}
		if got := run.run("edit api --yes", ""); got.exit != 7 || !strings.Contains(got.stderr, "coffer: can't start the editor "+test.reason+"\n  "+test.hint) {
			t.Errorf("%s: %+v", test.env, got)
		}
	}
}
