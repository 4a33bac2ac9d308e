package integrations_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const recipes = "../docs/recipes.md"

// A block of code of the document, whose first line is a comment with the name of its file.
var fenced = regexp.MustCompile("(?ms)^```\\w+\n# ([^\n]+)\n(.*?)^```$")

// recipe returns a block of docs/recipes.md, by its first line.
func recipe(t testing.TB, name string) string {
	t.Helper()
	for _, block := range blocks(t) {
		if block[1] == name {
			return block[2]
		}
	}
	t.Fatalf("%s has no block %q", recipes, name)
	return ""
}

func blocks(t testing.TB) [][]string {
	t.Helper()
	text, err := os.ReadFile(recipes)
	if err != nil {
		t.Fatal(err)
	}
	return fenced.FindAllStringSubmatch(string(text), -1)
}

// TestEachRecipeIsTested: a block of the document that no test of this folder takes is not run.
func TestEachRecipeIsTested(t *testing.T) {
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	var source strings.Builder
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		source.Write(text)
	}
	text, err := os.ReadFile(recipes)
	if err != nil {
		t.Fatal(err)
	}
	found := blocks(t)
	if all := strings.Count(string(text), "\n```") / 2; len(found) != all {
		t.Errorf("%d of %d blocks name a file", len(found), all)
	}
	for _, block := range found {
		if name := block[1]; !strings.Contains(source.String(), `"`+name+`"`) {
			t.Errorf("no test takes the block %q", name)
		}
	}
}

// variables reads what env -0 has written.
func variables(t testing.TB, path string) map[string]string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for v := range strings.SplitSeq(string(text), "\x00") {
		if name, value, ok := strings.Cut(v, "="); ok {
			all[name] = value
		}
	}
	return all
}

// arrived fails the test unless the variables have all canaries, exactly.
func arrived(t testing.TB, env map[string]string) {
	t.Helper()
	for key, value := range canaries {
		if name := strings.ToUpper(key); env[name] != value {
			t.Errorf("%s is not the value of api/%s", name, key) // not the value: it is a canary
		}
	}
}

// absent fails the test if a variable has a canary's name.
func absent(t testing.TB, env map[string]string) {
	t.Helper()
	for key := range canaries {
		if _, ok := env[strings.ToUpper(key)]; ok {
			t.Errorf("%s is set", strings.ToUpper(key))
		}
	}
}
