package cmd_test

import (
	"strings"
	"testing"
)

func TestMCPIsRefusedAtATerminal(t *testing.T) {
	t.Parallel()
	p := sit(t, newDesk(t), "mcp")
	if exit, screen := p.leaves(); exit != 2 || !strings.Contains(screen, "an agent starts coffer mcp and talks to it") || !strings.Contains(screen, `{"mcpServers": {"coffer": {"command": "coffer", "args": ["mcp"]}}}`) {
		t.Errorf("exit code %d, screen:\n%s", exit, screen)
	}
}
