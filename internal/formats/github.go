package formats

import (
	"bytes"
	"crypto/rand"
	"strings"
)

// checkGitHubEnv checks an entry for the runner: some variables can't be set through $GITHUB_ENV, and
// on Windows a carriage return before the delimiter is part of the line end.
func checkGitHubEnv(e entry) string {
	switch {
	case e.name == "NODE_OPTIONS", strings.HasPrefix(e.name, "GITHUB_"), strings.HasPrefix(e.name, "RUNNER_"):
		return "GitHub doesn't let a step set " + e.name
	case strings.HasSuffix(e.value, "\r"):
		return "it ends with a carriage return, which a runner on Windows drops"
	}
	return ""
}

// writeGitHubEnv writes lines for the file $GITHUB_ENV.
func writeGitHubEnv(b *bytes.Buffer, entries []entry, _ Options) error {
	for _, e := range entries {
		// A value can't contain a random delimiter by intent. Check it all the same.
		delimiter := "coffer_" + rand.Text()
		for strings.Contains(e.value, delimiter) {
			delimiter = "coffer_" + rand.Text()
		}
		b.WriteString(e.name + "<<" + delimiter + "\n" + e.value + "\n" + delimiter + "\n")
	}
	return nil
}

// writeGitHubMask writes an add-mask command for each line of each value, for the standard output of
// a step. The runner refuses to mask blank lines.
func writeGitHubMask(b *bytes.Buffer, entries []entry, _ Options) error {
	for _, e := range entries {
		for line := range strings.FieldsFuncSeq(e.value, func(r rune) bool { return r == '\n' || r == '\r' }) {
			if strings.TrimSpace(line) != "" {
				b.WriteString("::add-mask::" + strings.ReplaceAll(line, "%", "%25") + "\n")
			}
		}
	}
	return nil
}
