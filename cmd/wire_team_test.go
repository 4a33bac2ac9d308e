//go:build unix

package cmd_test

import "testing"

// TestWireOfTeams counts what s3-age costs, beside the same command on s3-kms: one request for the key of each alias,
// which goes out beside the others if the alias is the configured one, or its index tells it.
func TestWireOfTeams(t *testing.T) {
	l := newLine(t)
	l.env = append(l.env, "COFFER_BACKEND=s3-age")
	l.run("init --yes --without public-access --without policy --without versions --without lifecycle", "")
	l.fill("one", "alias/app", 50)
	l.fill("hundred", "alias/app", 100)
	for _, service := range []string{"first", "second", "third"} {
		l.fill(service, "alias/app", 20)
		l.fill(service, "alias/ops", 20)
	}
	for _, c := range []struct {
		what, line, stdin string
		requests, depth   int
	}{
		{"exec, 1 service, 1 alias, 50 secrets", "exec one -- true", "", 2 + 1, 1},
		{"exec, 3 services x 2 aliases x 20 secrets", "exec first second third -q -- true", "", 9 + 2, 2},
		{"write, existing key (with STS)", "write one alias-app-key-1 -", "v", 7 + 1, 4},
		{"write, new key (with STS)", "write one new -", "v", 7 + 1, 4},
		{"write, the first of a service (with STS)", "write fourth key -", "v", 9 + 1, 5},
		{"read", "read one alias-app-key-1", "", 1 + 1, 1},
		{"history", "history one alias-app-key-1", "", 1 + 1, 1},
		{"list, 100 secrets", "list hundred", "", 3 + 1, 2},
		{"import, 100 new keys (with STS)", "import fifth " + l.file("new", "alias/app", 100), "", 108 + 1, 8},
	} {
		t.Run(c.what, func(t *testing.T) {
			requests, depth := fewest(l.proxy, c.requests, c.depth, func() { l.run(c.line, c.stdin) })
			t.Logf("| %s | %d | %d |", c.what, requests, depth)
			if requests > c.requests || depth > c.depth {
				t.Errorf("%d requests, depth %d; want at most %d and %d", requests, depth, c.requests, c.depth)
			}
		})
	}
}
