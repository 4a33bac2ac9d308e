package integrations_test

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
)

// TestPagesListWhatThereIs: the table of a pipeline's page has each input of the component, each setting of a plugin
// and each command of the orb, and no other.
func TestPagesListWhatThereIs(t *testing.T) {
	names := func(from any) []string { return slices.Sorted(maps.Keys(from.(map[string]any))) }
	script, err := os.ReadFile("woodpecker/plugin.sh")
	if err != nil {
		t.Fatal(err)
	}
	var settings []string
	for _, m := range regexp.MustCompile(`PLUGIN_([A-Z]+)`).FindAllStringSubmatch(string(script), -1) {
		settings = append(settings, strings.ToLower(m[1]))
	}
	slices.Sort(settings)
	component := documents(t, "../templates/coffer.yml")[0]["spec"].(map[string]any)
	plugin := documents(t, "buildkite/coffer/plugin.yml")[0]["configuration"].(map[string]any)
	for page, want := range map[string][]string{
		"gitlab.md":     names(component["inputs"]),
		"buildkite.md":  names(plugin["properties"]),
		"circleci.md":   slices.Sorted(maps.Keys(readOrb(t).Commands)),
		"woodpecker.md": slices.Compact(settings),
	} {
		var rows []string
		for _, m := range regexp.MustCompile("(?m)^\\| `([a-z-]+)` \\|").FindAllStringSubmatch(readPage(t, page), -1) {
			rows = append(rows, m[1])
		}
		slices.Sort(rows)
		if diff := cmp.Diff(want, rows); diff != "" {
			t.Errorf("docs/ci/%s (-there is +listed):\n%s", page, diff)
		}
	}
}

// TestExamplesOfPagesUseWhatThereIs: each example is YAML, and sets only what the table above has been held to.
func TestExamplesOfPagesUseWhatThereIs(t *testing.T) {
	for page, sets := range map[string]*regexp.Regexp{
		"gitlab.md":     regexp.MustCompile(`(?m)^      ([a-z-]+): \S+$`),
		"buildkite.md":  regexp.MustCompile(`(?m)^          ([a-z-]+): `),
		"circleci.md":   regexp.MustCompile(`(?m)^      - coffer/([a-z]+)`),
		"woodpecker.md": regexp.MustCompile(`(?m)settings: \{([a-z]+): `),
	} {
		text := readPage(t, page)
		examples, used := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(text, -1), 0
		for _, m := range examples {
			var parsed any
			if err := yaml.Unmarshal([]byte(m[1]), &parsed); err != nil && !strings.Contains(m[1], "!reference") {
				t.Errorf("docs/ci/%s: %v\n%s", page, err, m[1])
			}
			for _, name := range sets.FindAllStringSubmatch(m[1], -1) {
				if used++; !strings.Contains(text, "\n| `"+name[1]+"` |") {
					t.Errorf("docs/ci/%s: an example sets %s, which is not in its table", page, name[1])
				}
			}
		}
		if used < 2 {
			t.Errorf("docs/ci/%s: examples set %d inputs", page, used)
		}
	}
}

func readPage(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile("../docs/ci/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestPagesStateTheDefaultFormat of a file, which differs from pipeline to pipeline.
func TestPagesStateTheDefaultFormat(t *testing.T) {
	for page, where := range map[string][2]string{
		"github-actions.md": {"../action.yml", `(?s)\n  format:.*?default: (\w+)`},
		"gitlab.md":         {"../templates/coffer.yml", `(?s)\n    format:.*?default: (\w+)`},
		"circleci.md":       {"circleci/orb.yml", `(?s)\n      format:.*?default: (\w+)`},
		"buildkite.md":      {"buildkite/coffer/hooks/environment", `setting FORMAT (\w+)`},
		"woodpecker.md":     {"woodpecker/plugin.sh", `PLUGIN_FORMAT:-(\w+)`},
	} {
		source, err := os.ReadFile(where[0])
		if err != nil {
			t.Fatal(err)
		}
		m := regexp.MustCompile(where[1]).FindSubmatch(source)
		if m == nil {
			t.Fatalf("%s has no default format", where[0])
		}
		text, want := readPage(t, page), string(m[1])
		if !strings.Contains(text, "| `format` | `"+want+"` |") && !strings.Contains(text, "`format` of `coffer export` (`"+want+"`)") {
			t.Errorf("docs/ci/%s doesn't say that the default format is %s", page, want)
		}
	}
}
