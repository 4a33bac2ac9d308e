//go:build unix

package integrations_test

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// TestGitHubActionMasksEachForm in which a program may print a secret. The log is masked as act does it: one
// mask after the other, so a mask that is the beginning of a longer one may not come before it.
func TestGitHubActionMasksEachForm(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	long := "canary-" + strings.Repeat("0123456789+/ÿ~", 20)
	secrets := map[string]string{
		"long": long, "pem": "-----BEGIN-----\n" + long + "\r\n" + long[:100] + "\n-----END-----\n",
		"short": "canary-1", "longer": "canary-1-and-more", "json": `canary "with" \ and é`, "url": "canary a/b?c=d&e", "blank": " \n\t\n", "empty": "",
	}
	m.store("forms", secrets)
	code, log := m.step(t, map[string]string{"services": "forms"})
	if code != 0 {
		t.Fatalf("exit code %d\n%s", code, log)
	}
	var masks []string
	for line := range strings.Lines(log) {
		text, found := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "::add-mask::")
		if !found || strings.TrimSpace(text) == "" {
			t.Errorf("it printed %q", line)
		}
		masks = append(masks, strings.ReplaceAll(text, "%25", "%"))
	}
	masked := func(text string) string {
		for _, mask := range masks {
			text = strings.ReplaceAll(text, mask, "***")
		}
		return text
	}
	for key, value := range secrets {
		if strings.TrimSpace(value) == "" {
			continue
		}
		for _, text := range append(strings.FieldsFunc(value, func(r rune) bool { return r == '\n' || r == '\r' }), value) {
			for form, shown := range written(t, text) {
				// What is left of base64 at its ends depends on what stands beside it.
				rest := regexp.MustCompile(`[\w+/%\\-]{9,}`).FindString(strings.ReplaceAll(masked(shown), "***", " "))
				if rest != "" {
					t.Errorf("%s, %s: %q is left", key, form, rest)
				}
			}
		}
	}
}

// written is how programs write a text.
func written(t *testing.T, text string) map[string]string {
	t.Helper()
	quoted, err := json.Marshal(text)
	if err != nil {
		t.Fatal(err)
	}
	encoded := base64.StdEncoding.EncodeToString([]byte(text))
	forms := map[string]string{
		"as it is": "<" + text + ">", "JSON": strings.NewReplacer(`\u0026`, "&").Replace(string(quoted)), "URL": strings.ReplaceAll(url.QueryEscape(text), "+", "%20"),
		"base64": encoded, "base64 of a URL": base64.RawURLEncoding.EncodeToString([]byte(text)),
	}
	for _, before := range []string{"a:", "ab:", "abc:"} {
		forms["base64 after "+before] = base64.StdEncoding.EncodeToString([]byte(before + text + "\n"))
	}
	for _, width := range []int{64, 76} {
		forms["base64 in lines"] = strings.Join(slices.Collect(chunks(encoded, width)), "\n")
	}
	return forms
}

func chunks(text string, width int) func(func(string) bool) {
	return func(yield func(string) bool) {
		for len(text) > width && yield(text[:width]) {
			text = text[width:]
		}
		yield(text)
	}
}

// TestGitHubActionHasTheInputsOfItsPage: action.yml, main.js and the page name the same inputs, and each
// example of the page has no others.
func TestGitHubActionHasTheInputsOfItsPage(t *testing.T) {
	var declared struct {
		Inputs  map[string]struct{ Description string }
		Outputs map[string]struct{ Description string }
		Runs    struct{ Main, Post string }
	}
	if err := yaml.Unmarshal([]byte(text(t, "../action.yml")), &declared); err != nil {
		t.Fatal(err)
	}
	program, page := text(t, "../"+declared.Runs.Main), text(t, "../docs/ci/github-actions.md")
	_ = text(t, "../"+declared.Runs.Post)
	_, table, _ := strings.Cut(page, "## Inputs")
	table, _, _ = strings.Cut(table, "\n## ")
	used := regexp.MustCompile(`(?:input|list)\('([a-z-]+)'\)`).FindAllStringSubmatch(program, -1)
	if len(used) < 10 || len(used) != len(declared.Inputs) {
		t.Errorf("main.js uses %d inputs, action.yml declares %d", len(used), len(declared.Inputs))
	}
	for _, name := range used {
		if declared.Inputs[name[1]].Description == "" {
			t.Errorf("action.yml doesn't declare the input %s", name[1])
		}
		if !regexp.MustCompile("(?m)^\\|[^|]*`" + name[1] + "`").MatchString(table) {
			t.Errorf("the page doesn't have the input %s", name[1])
		}
	}
	examples := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(page+text(t, "../docs/ci.md"), -1)
	steps := 0
	for _, example := range examples {
		for _, with := range stepsOf(t, example[1]) {
			steps++
			for name := range with {
				if _, exists := declared.Inputs[name]; !exists {
					t.Errorf("an example has the input %s", name)
				}
			}
		}
	}
	if steps < 3 {
		t.Errorf("the examples have %d steps with the action", steps)
	}
}

// stepsOf returns the inputs of each step of an example that uses the action.
func stepsOf(t *testing.T, example string) (with []map[string]string) {
	t.Helper()
	var root yaml.Node
	if err := yaml.Unmarshal([]byte(example), &root); err != nil {
		t.Fatalf("%v in\n%s", err, example)
	}
	var walk func(n *yaml.Node)
	walk = func(n *yaml.Node) {
		var step struct {
			Uses string
			With map[string]string
		}
		if n.Kind == yaml.MappingNode && n.Decode(&step) == nil && strings.HasPrefix(step.Uses, "coffer-secrets/coffer@") {
			with = append(with, step.With)
		}
		for _, child := range n.Content {
			walk(child)
		}
	}
	walk(&root)
	return with
}

func text(t *testing.T, path string) string {
	t.Helper()
	body, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}
