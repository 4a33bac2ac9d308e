package formats

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
)

// The longest line of an env file that docker's client reads, in bytes: that of bufio.Scanner.
const maxDockerLine = 64<<10 - 1

// The size in bytes from which gitlab.com refuses a file. Administrators of other instances can
// change it.
const maxGitLabFile = 5 << 10

// GitLab also replaces %NAME%.
var percentVariable = regexp.MustCompile(`%[A-Za-z_][A-Za-z0-9_]*%`)

// writeSystemd writes an EnvironmentFile. Its double quotes have the same escapes as those of a shell.
func writeSystemd(b *bytes.Buffer, entries []entry, _ Options) error {
	escape := strings.NewReplacer(`"`, `\"`, `\`, `\\`, "$", `\$`, "`", "\\`")
	for _, e := range entries {
		b.WriteString(e.name + `="` + escape.Replace(e.value) + "\"\n")
	}
	return nil
}

// checkDocker checks a value for docker run --env-file, where the rest of the line is the value.
func checkDocker(e entry) string {
	switch {
	case strings.Contains(e.value, "\n"):
		return "it has a newline"
	case strings.HasSuffix(e.value, "\r"):
		return "it ends with a carriage return, which docker drops"
	case len(e.name)+len("=")+len(e.value) > maxDockerLine:
		return fmt.Sprintf("its line is longer than %d bytes", maxDockerLine)
	}
	return ""
}

func writeDocker(b *bytes.Buffer, entries []entry, _ Options) error {
	for _, e := range entries {
		b.WriteString(e.name + "=" + e.value + "\n")
	}
	return nil
}

// checkGitLab checks a value for artifacts:reports:dotenv, where the rest of the line is the value.
// GitLab trims it and replaces variables in it.
func checkGitLab(e entry) string {
	const trimmed = " \t\n\v\f\r"
	switch {
	case strings.ContainsAny(e.value, "\r\n"):
		return "it has a newline or a carriage return"
	case strings.Trim(e.value, trimmed) != e.value:
		return "it begins or ends with white space, which GitLab drops"
	case strings.Contains(e.value, "$"):
		return `it has a "$", which GitLab expands`
	case percentVariable.MatchString(e.value):
		return "it has %NAME%, which GitLab expands"
	}
	return ""
}

func writeGitLab(b *bytes.Buffer, entries []entry, o Options) error {
	for _, e := range entries {
		if err := writeDocker(b, []entry{e}, o); err != nil {
			return err
		}
		if b.Len() >= maxGitLabFile {
			return &ValueError{Format: "gitlab", Key: e.key, Reason: fmt.Sprintf("with it the file has %d bytes or more; GitLab's limit is lower", maxGitLabFile)}
		}
	}
	return nil
}
