//go:build unix

package cmd_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/coffer-secrets/coffer/internal/testing/s3test"
)

// TestHintsWorkWhenTyped parses every command that the program's own texts name, wherever they are in
// the source, and every flag.
func TestHintsWorkWhenTyped(t *testing.T) {
	t.Parallel()
	texts := literals(t)
	if len(texts) < 1000 {
		t.Fatalf("only %d texts found", len(texts))
	}
	b := onDisk(t)
	commands := map[string]bool{}
	for _, text := range texts {
		for _, line := range commandsIn(text) {
			commands[line] = true
		}
	}
	if len(commands) < 30 {
		t.Fatalf("only %d commands found: %v", len(commands), commands)
	}
	for line := range commands {
		t.Run(line, func(t *testing.T) {
			t.Parallel()
			b := &bench{T: t, env: b.env}
			line, _, _ = strings.Cut(line, " -- ")
			if got := b.run(line+" --help", ""); got.exit != 0 {
				t.Errorf("coffer %s isn't a command line: %s", line, got.stderr)
			}
		})
	}
}

// prose are the words that follow the name of the program in a sentence, and in the labels of keys that are
// derived.
var prose = []string{"tests", "can", "reads", "tries", "always", "command", "asks", "encrypts", "writes", "didn", "for", "alias", "age", "stores"}

// commandLine is a command that a text names: a word, and what follows it as long as it can be an
// argument. A placeholder has capital letters or is one of fmt or of a template.
var commandLine = regexp.MustCompile(`\bcoffer ([a-z][a-z-]*)((?: (?:reader|writer|operator|check|read|write|delete|s3-age|show|members|grant|revoke|trust|--?[a-z][a-z-]*|[A-Z][A-Z_]*(?:\.\.\.)?|%[sdq]|\{[a-z]+\}|-)(?:\b|$|[-.})]))*)`)

func commandsIn(text string) []string {
	var lines []string
	for _, found := range commandLine.FindAllStringSubmatch(text, -1) {
		if slices.Contains(prose, found[1]) {
			continue
		}
		words := []string{found[1]}
		for _, word := range strings.Fields(found[2]) {
			switch word = strings.TrimRight(word, ".,;:)"); {
			case word == "{under}" || word == "-" || word == "":
			case !strings.HasPrefix(word, "-") && strings.ToLower(word) != word, strings.ContainsAny(word, "%{"):
				words = append(words, placeholder(words[len(words)-1]))
			default:
				words = append(words, word)
			}
		}
		// What a flag takes may stand in another literal.
		if last := words[len(words)-1]; slices.Contains([]string{"--to", "--from", "--kms-key-alias", "--bucket", "--out", "--without", "--git"}, last) {
			words = append(words, "x")
		}
		lines = append(lines, strings.Join(words, " "))
	}
	return lines
}

// placeholder returns a word that can follow another.
func placeholder(after string) string {
	switch after {
	case "policy", "check":
		return "reader"
	case "--version":
		return "1"
	}
	return "x"
}

// literals returns the string literals of the program, and adjoining ones as one.
func literals(t *testing.T) []string {
	t.Helper()
	var texts []string
	for _, root := range []string{"../cmd", "../internal", "../store"} {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case d.IsDir() && (d.Name() == "testing" || d.Name() == "testdata"):
				return fs.SkipDir
			case !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
				return nil
			}
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
			if err != nil {
				return err
			}
			ast.Inspect(file, func(n ast.Node) bool {
				if text, ok := joined(n); ok {
					texts = append(texts, text)
					return false
				}
				return true
			})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return texts
}

// joined returns the text of a literal or of a sum with literals, in which anything else is a
// placeholder.
func joined(n ast.Node) (text string, ok bool) {
	switch n := n.(type) {
	case *ast.BasicLit:
		text, err := strconv.Unquote(n.Value)
		return text, n.Kind == token.STRING && err == nil
	case *ast.BinaryExpr:
		left, isLeft := joined(n.X)
		right, isRight := joined(n.Y)
		if n.Op != token.ADD || !isLeft && !isRight {
			return "", false
		}
		if !isLeft {
			left = "%s"
		}
		if !isRight {
			right = "%s"
		}
		return left + right, true
	}
	return "", false
}

// What a hint says is done, and then the command goes through.
func TestHintsWorkWhenTypedAndRun(t *testing.T) {
	t.Parallel()
	t.Run("no bucket", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, s3test.Options{})
		b.env = append(b.env, "COFFER_S3_BUCKET=another")
		b.hints("write api key -", 7, "coffer init creates it")
		b.do("init --yes", "")
		b.do("write api key -", canary)
	})
	t.Run("a damaged index", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, s3test.Options{})
		b.do("write team key -", canary)
		corruptIndex(b)
		b.hints("write team key -", 8, "coffer doctor --fix team rebuilds the index")
		if got := b.run("doctor team", ""); !strings.Contains(got.stdout, "coffer doctor --fix team") {
			t.Errorf("%+v", got)
		}
		if got := b.run("doctor --fix team", ""); !strings.Contains(got.stderr, "team/__kms_alias_app__latest.json: corrupt-index") {
			t.Errorf("%+v", got)
		}
		if got := b.run("exec team -- true", ""); got.exit != 0 || got.stderr != "" {
			t.Errorf("%+v", got)
		}
	})
	t.Run("a damaged secret", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, s3test.Options{})
		b.do("write api db_password -", canary)
		b.bucket.Plant("api/db_password.json", []byte("{"), "aws:kms", b.KMS.ARN("alias/app"))
		b.hints("read api db_password", 8, "coffer doctor api shows what is wrong with it")
		if got := b.run("doctor api", ""); got.exit != 1 || !strings.Contains(got.stdout, "corrupt") {
			t.Errorf("%+v", got)
		}
	})
	t.Run("a lost key", func(t *testing.T) {
		t.Parallel()
		home := t.TempDir()
		b := &bench{T: t, env: append(ownEnvironment(home), "PATH="+os.Getenv("PATH"), "COFFER_BACKEND=local")}
		b.do("write api key -", canary)
		keys, elsewhere := filepath.Join(home, "config", "coffer", "keys"), filepath.Join(home, "elsewhere")
		if got := b.run("doctor", ""); !strings.Contains(got.stderr, "the keys are in "+keys+"; if you lose that directory, you lose every secret") {
			t.Errorf("%+v", got)
		}
		if err := os.Rename(keys, elsewhere); err != nil {
			t.Fatal(err)
		}
		for _, line := range []string{"read api key", "exec api -- true", "list api"} {
			got := b.hints(line, 5, "set COFFER_KEY_DIR")
			if !strings.Contains(got.stderr, keys) || strings.Contains(got.stderr, "s3:") || strings.Contains(got.stderr, "kms:") {
				t.Errorf("coffer %s: %+v", line, got)
			}
		}
		b.env = append(b.env, "COFFER_KEY_DIR="+elsewhere)
		b.do("exec api -- true", "")
	})
}

// hints runs a command that fails with a hint.
func (b *bench) hints(line string, exit int, hint string) outcome {
	b.Helper()
	got := b.run(line, canary)
	_, said, _ := strings.Cut(got.stderr, "\n  ")
	if got.exit != exit || !strings.Contains(said, hint) {
		b.Errorf("coffer %s: %+v\nwant exit code %d and the hint %q", line, got, exit, hint)
	}
	return got
}

// A damaged file is sent to the doctor as a damaged object is.
func TestADamagedFileIsSentToTheDoctor(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	b := &bench{T: t, env: append(ownEnvironment(home), "PATH="+os.Getenv("PATH"), "COFFER_BACKEND=local", "COFFER_DIR="+filepath.Join(home, "store"))}
	b.do("write api db_password -", canary)
	if err := os.WriteFile(filepath.Join(home, "store", "api", "db_password.json"), []byte("age"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"read api db_password", "exec api -- true", "list api"} {
		b.hints(line, 8, "coffer doctor api shows what is wrong with it")
	}
	if got := b.run("doctor api", ""); got.exit != 1 || !strings.Contains(got.stdout, "corrupt") {
		t.Errorf("%+v", got)
	}
}
