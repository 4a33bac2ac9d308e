package cmd_test

import (
	"strings"
	"testing"
)

// At a real terminal: TAB completes what is clear, TAB TAB lists what is not, and neither prints anything else.
func TestTabCompletesAtATerminal(t *testing.T) {
	b := newDesk(t)
	b.do("write api db_password -", canary)
	b.do("write api db_user -", canary)
	b.do("write worker token -", canary)
	p, _ := sitAtShell(t, b, "bash --norc")
	p.types("source <(coffer completion bash); echo sour''ced\r")
	p.sees("sourced")
	p.sees("ready> ")
	for _, step := range []struct{ keys, want string }{
		{"coffer read wor\t", "ker "},
		{"\t", "token "},
		{"-q\r", canary},
		{"coffer read api db_\t\t", "db_password  db_user"},
		{"us\t", "er "},
		{"-q\r", canary},
		{"coffer hist\t", "ory "},
		{"a\t", "pi "},
		{"\x15true\r", "ready> "}, // ^U drops the line
	} {
		p.types(step.keys)
		p.sees(step.want)
	}
	p.types("exit\r")
	if exit, screen := p.leaves(); exit != 0 || strings.Contains(screen, "command not found") || strings.Contains(screen, "coffer: ") {
		t.Errorf("exit code %d, screen:\n%s", exit, screen)
	}
}
