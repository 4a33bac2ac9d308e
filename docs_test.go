package main

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Documents that say which test holds a promise.
var promises = []string{"docs/guarantees.md", "docs/threat-model.md"}

// TestNamedTestsExist: a promise whose test was renamed or removed is held by nothing.
func TestNamedTestsExist(t *testing.T) {
	function := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
	exists := map[string]bool{}
	err := filepath.WalkDir(".", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		source, err := os.ReadFile(path)
		for _, m := range function.FindAllSubmatch(source, -1) {
			exists[string(m[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, document := range promises {
		text, err := os.ReadFile(document)
		if err != nil {
			t.Fatal(err)
		}
		named := regexp.MustCompile("`((?:Test|Fuzz)\\w+)`").FindAllSubmatch(text, -1)
		for _, m := range named {
			if !exists[string(m[1])] {
				t.Errorf("%s names %s, which does not exist", document, m[1])
			}
		}
		if len(named) < 20 {
			t.Errorf("%s names %d tests", document, len(named))
		}
		for row := range strings.Lines(string(text)) {
			// Every row of a table ends with a test, or says why there is none.
			if cells := strings.Split(strings.TrimSpace(row), "|"); strings.HasPrefix(row, "| ") && !strings.Contains(row, "held by") &&
				!strings.Contains(cells[len(cells)-2], "`") && !strings.Contains(cells[len(cells)-2], "none") {
				t.Errorf("%s: a row names no test: %s", document, cells[1])
			}
		}
	}
}

// TestWalkedFilesExist: the walk through the code names files as they are.
func TestWalkedFilesExist(t *testing.T) {
	text, err := os.ReadFile("docs/layout.md")
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile("`((?:[a-z0-9]+/)*[a-z0-9_*]+\\.go)`").FindAllSubmatch(text, -1)
	folder := ""
	for _, m := range named {
		name := string(m[1])
		if strings.Contains(name, "/") {
			folder = filepath.Dir(name)
		} else if name != "main.go" {
			name = filepath.Join(folder, name) // beside the one named before
		}
		if found, err := filepath.Glob(name); err != nil || len(found) == 0 {
			t.Errorf("docs/layout.md names %s, which does not exist", name)
		}
	}
	if len(named) < 20 {
		t.Errorf("docs/layout.md names %d files", len(named))
	}
}

// figures are numbers in documents that a constant decides: the phrase, with the constant in the unit.
var figures = []struct {
	document, phrase string
	unit             int64
	source, constant string
}{
	{"docs/design/protocol.md", "%d at once for each service\n      Denied", 1, "store/internal/engine/engine.go", "Readers"},
	{"docs/design/protocol.md", "(%d at once for each service;", 1, "store/internal/engine/engine.go", "objectReaders"},
	{"docs/design/protocol.md", "K2 per key (%d at once)", 1, "store/internal/engine/engine.go", "writers"},
	{"docs/design/protocol.md", "objects, %d at once, as W1", 1, "store/internal/engine/engine.go", "writers"},
	{"docs/design/protocol.md", "gives up after %d s", int64(time.Second), "store/internal/engine/engine.go", "retryTime"},
	{"docs/design/protocol.md", "(jitter, cap %d ms", int64(time.Millisecond), "store/internal/engine/engine.go", "longestPause"},
	{"docs/design/protocol.md", "full jitter, cap %d ms", int64(time.Millisecond), "store/internal/engine/engine.go", "longestPause"},
	{"docs/design/protocol.md", "tombstone older than %d h", int64(time.Hour), "store/internal/engine/inspect/findings.go", "tombstoneAge"},
	{"docs/design/cli.md", "`--fix` after %d hours", int64(time.Hour), "store/internal/engine/inspect/findings.go", "tombstoneAge"},
	{"docs/design/protocol.md", "%d s for SlowDown", int64(time.Second), "internal/awsconf/patience.go", "longestWait"},
	{"docs/design/protocol.md", "spread over %d s, 2 s, 4 s", int64(time.Second), "internal/awsconf/patience.go", "shortSpread"},
	{"docs/design/protocol.md", "%d s, 12 s, 20 s for one", int64(time.Second), "internal/awsconf/patience.go", "longSpread"},
	{"docs/design/protocol.md", "resolve identity (STS, %d s timeout", int64(time.Second), "internal/awsconf/identity.go", "identityTimeout"},
	{"docs/design/protocol.md", "ends after %d s (one that reads)", int64(time.Second), "internal/app/waits.go", "ReadTimeout"},
	{"docs/design/protocol.md", "or %d s (one that may change something)", int64(time.Second), "internal/app/waits.go", "ChangeTimeout"},
	{"docs/design/protocol.md", "each %d KiB of the body", 1 << 10, "internal/waiting/wait.go", "Rate"},
	{"docs/design/protocol.md", "no progress for %d s ends at once", int64(time.Second), "internal/waiting/waiting.go", "Silence"},
	{"docs/design/protocol.md", "is repeated %d times: each time", 1, "store/internal/engine/engine.go", "maxUnclear"},
	{"docs/design/protocol.md", "Torn (%d GETs in all", 1, "store/internal/bucket/s3bucket/s3bucket.go", "tornTries"},
	{"docs/design/protocol.md", "kept for %d days", int64(24 * time.Hour), "store/internal/bucket/s3bucket/probecache.go", "cacheTime"},
	{"docs/design/storage-format.md", "older than newest-%d are dropped", 1, "store/internal/engine/engine.go", "MaxVersions"},
	{"docs/design/testing.md", "the newest %d before the current one", 1, "store/internal/engine/engine.go", "MaxVersions"},
	{"docs/design/testing.md", "value %d MiB;", 1 << 20, "store/value.go", "MaxValue"},
	{"docs/design/storage-format.md", "UTF-8 text up to %d MiB", 1 << 20, "store/value.go", "MaxValue"},
	{"docs/design/testing.md", "key %d bytes;", 1, "store/id.go", "MaxKey"},
	{"docs/design/testing.md", "object name 1,%03d bytes", 1, "store/id.go", "MaxObject"}, // less a thousand, see below
	{"docs/design/testing.md", "index %d MiB", 1 << 20, "index/index.go", "MaxSize"},
	{"docs/design/security.md", "at most %d MiB", 1 << 20, "index/index.go", "MaxSize"},
	{"docs/backends.md", "| %d MiB an index |", 1 << 20, "index/index.go", "MaxSize"},
	{"docs/design/cli.md", "SigV4; at most %d days", int64(24 * time.Hour), "store/admin/share.go", "MaxShare"},
	{"docs/design/cli.md", "the last %d hours", int64(time.Hour), "internal/trail/trail.go", "Span"},
	{"docs/design/cli.md", "goes back %d days", int64(24 * time.Hour), "internal/trail/trail.go", "Retention"},
	{"docs/design/cli.md", "is about %d minutes late", int64(time.Minute), "internal/trail/trail.go", "Delay"},
	{"docs/design/cli.md", "of %d events each", 1, "internal/awsconf/trail.go", "trailPage"},
	{"docs/design/cli.md", "%d days by the rule of `init`", 1, "internal/policy/setup.go", "NoncurrentDays"},
	{"docs/design/cli.md", "does too, after %d days", 1, "internal/policy/setup.go", "ShareDays"},
}

// TestFiguresAreThoseOfTheCode: what a document says in numbers, the code does.
func TestFiguresAreThoseOfTheCode(t *testing.T) {
	for _, f := range figures {
		text, err := os.ReadFile(f.document)
		if err != nil {
			t.Fatal(err)
		}
		n, err := constant(f.source, f.constant)
		if err != nil {
			t.Errorf("%s: %v", f.source, err)
			continue
		}
		if strings.Contains(f.phrase, ",%03d") {
			n %= 1000
		}
		if phrase := fmt.Sprintf(f.phrase, n/f.unit); n%f.unit != 0 || !strings.Contains(string(text), phrase) {
			t.Errorf("%s does not say %q, as %s in %s has it", f.document, phrase, f.constant, f.source)
		}
	}
}

// constant returns the value of a constant of integers, or of a time in nanoseconds.
func constant(source, name string) (int64, error) {
	file, err := parser.ParseFile(token.NewFileSet(), source, nil, parser.SkipObjectResolution)
	if err != nil {
		return 0, err
	}
	var value ast.Expr
	ast.Inspect(file, func(n ast.Node) bool {
		if spec, ok := n.(*ast.ValueSpec); ok {
			for i, id := range spec.Names {
				if id.Name == name && i < len(spec.Values) {
					value = spec.Values[i]
				}
			}
		}
		return true
	})
	if value == nil {
		return 0, errors.New("there is no constant " + name)
	}
	return evaluate(value)
}

var times = map[string]time.Duration{
	"Millisecond": time.Millisecond, "Second": time.Second, "Minute": time.Minute, "Hour": time.Hour,
}

func evaluate(e ast.Expr) (int64, error) {
	switch e := e.(type) {
	case *ast.BasicLit:
		return strconv.ParseInt(strings.ReplaceAll(e.Value, "_", ""), 0, 64)
	case *ast.SelectorExpr:
		if unit, ok := times[e.Sel.Name]; ok {
			return int64(unit), nil
		}
	case *ast.BinaryExpr:
		x, err := evaluate(e.X)
		y, err2 := evaluate(e.Y)
		switch e.Op {
		case token.MUL:
			return x * y, errors.Join(err, err2)
		case token.SHL:
			return x << y, errors.Join(err, err2)
		}
	}
	return 0, fmt.Errorf("%T is more than this test can work out", e)
}

// TestEveryDependencyIsExplained: each module that go.mod requires directly has its line, and no line
// is of a module that is gone.
func TestEveryDependencyIsExplained(t *testing.T) {
	mod, err := os.ReadFile("go.mod")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("docs/design/dependencies.md")
	if err != nil {
		t.Fatal(err)
	}
	explained := string(text)
	var direct []string
	for _, m := range regexp.MustCompile(`(?m)^\t(\S+) v\S+$`).FindAllStringSubmatch(string(mod), -1) {
		direct = append(direct, m[1])
	}
	if len(direct) < 20 {
		t.Fatalf("go.mod requires %q", direct)
	}
	const sdk = "github.com/aws/aws-sdk-go-v2/"
	for _, module := range direct {
		short, ofSDK := strings.CutPrefix(module, sdk)
		if !ofSDK && !strings.Contains(explained, "| "+module+" |") && !strings.Contains(explained, "| "+module+" and ") || ofSDK && !strings.Contains(explained, "`"+short+"`") {
			t.Errorf("%s has no line in docs/design/dependencies.md", module)
		}
	}
	for _, m := range regexp.MustCompile(`(?m)^\| ((?:[a-z0-9-]+\.)+[a-z]+/\S+) \| [^|]*\|(?: [^|]*\|)?$`).FindAllStringSubmatch(explained, -1) {
		if module := m[1]; !strings.Contains(string(mod), "\t"+module+" v") {
			t.Errorf("docs/design/dependencies.md explains %s, which go.mod does not require", module)
		}
	}
}

// TestSectionsAreThere: the protocol's sections are numbered one by one, and what refers to one by
// its number refers to one that there is; a note that is referred to stands below, once.
func TestSectionsAreThere(t *testing.T) {
	text, err := os.ReadFile("docs/design/protocol.md")
	if err != nil {
		t.Fatal(err)
	}
	var last int
	for i, m := range regexp.MustCompile(`(?m)^## (\d+) `).FindAllStringSubmatch(string(text), -1) {
		if last, err = strconv.Atoi(m[1]); err != nil || last != i+1 {
			t.Errorf("section %d of docs/design/protocol.md is numbered %s", i+1, m[1])
		}
	}
	if last < 18 {
		t.Errorf("docs/design/protocol.md has %d sections", last)
	}
	backends, err := os.ReadFile("docs/backends.md")
	if err != nil {
		t.Fatal(err)
	}
	note := regexp.MustCompile(`[¹²³⁴⁵⁶⁷⁸⁹⁰]+`)
	notes, told := make(map[string]int), make(map[string]bool)
	for line := range strings.Lines(string(backends)) {
		if at := note.FindStringIndex(line); at != nil && at[0] == 0 {
			notes[line[:at[1]]]++
			continue
		}
		for _, mark := range note.FindAllString(line, -1) {
			told[mark] = true
		}
	}
	for mark, times := range notes {
		if times != 1 || !told[mark] {
			t.Errorf("note %s of docs/backends.md stands there %d times, referred to: %t", mark, times, told[mark])
		}
	}
	for mark := range told {
		if notes[mark] == 0 {
			t.Errorf("docs/backends.md has no note %s", mark)
		}
	}
}
