package main

import (
	"bytes"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// decode reads a YAML file whose fields are all known.
func decode(t *testing.T, path string, into any) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	if err := d.Decode(into); err != nil {
		t.Errorf("%s: %v", path, err)
	}
}

// element is one of a form's, with the fields that GitHub documents:
// https://docs.github.com/communities/using-templates-to-encourage-useful-issues-and-pull-requests/syntax-for-githubs-form-schema
type element struct {
	Type       string `yaml:"type"`
	ID         string `yaml:"id"`
	Attributes struct {
		Label       string `yaml:"label"`
		Description string `yaml:"description"`
		Placeholder string `yaml:"placeholder"`
		Value       string `yaml:"value"`
		Render      string `yaml:"render"`
		Options     []any  `yaml:"options"`
	} `yaml:"attributes"`
	Validations struct {
		Required bool `yaml:"required"`
	} `yaml:"validations"`
}

// TestIssueFormsAreAsGitHubTakesThem: GitHub shows none of a form in which it finds a mistake.
func TestIssueFormsAreAsGitHubTakesThem(t *testing.T) {
	forms, err := filepath.Glob(".github/ISSUE_TEMPLATE/*.yml")
	if err != nil || len(forms) != 3 {
		t.Fatalf("forms %q, %v", forms, err)
	}
	for _, path := range forms {
		if filepath.Base(path) == "config.yml" {
			continue
		}
		var form struct {
			Name        string    `yaml:"name"`
			Description string    `yaml:"description"`
			Labels      []string  `yaml:"labels"`
			Body        []element `yaml:"body"`
		}
		decode(t, path, &form)
		if form.Name == "" || form.Description == "" {
			t.Errorf("%s has no name or no description", path)
		}
		ids, labels := map[string]bool{}, map[string]bool{}
		for _, e := range form.Body {
			a := e.Attributes
			switch {
			case !slices.Contains([]string{"markdown", "textarea", "input", "dropdown", "checkboxes"}, e.Type):
				t.Errorf("%s: there is no type %q", path, e.Type)
			case e.Type == "markdown":
				if a.Value == "" || e.ID != "" {
					t.Errorf("%s: markdown is a value alone", path)
				}
				continue
			case a.Label == "" || labels[a.Label] || ids[e.ID]:
				t.Errorf("%s: the label %q or the id %q stands twice or is empty", path, a.Label, e.ID)
			case (e.Type == "dropdown" || e.Type == "checkboxes") != (len(a.Options) > 0):
				t.Errorf("%s: %q: options belong to a choice", path, a.Label)
			case a.Render != "" && e.Type != "textarea":
				t.Errorf("%s: %q: only a textarea is rendered", path, a.Label)
			}
			ids[e.ID], labels[a.Label] = true, true
		}
		if len(ids) < 3 {
			t.Errorf("%s has %d questions", path, len(ids))
		}
	}
}

// TestTheWorkflowRunsTheGate, which may read the repository and no more.
func TestTheWorkflowRunsTheGate(t *testing.T) {
	var workflow struct {
		Permissions map[string]string `yaml:"permissions"`
		Jobs        map[string]struct {
			Permissions map[string]string `yaml:"permissions"`
			Steps       []struct {
				Run string `yaml:"run"`
			} `yaml:"steps"`
		} `yaml:"jobs"`
	}
	text, err := os.ReadFile(".github/workflows/ci.yml")
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, &workflow); err != nil {
		t.Fatal(err)
	}
	job := workflow.Jobs["gate"]
	if p := workflow.Permissions; len(p) != 1 || p["contents"] != "read" || len(job.Permissions) != 0 {
		t.Errorf("permissions %v and %v", p, job.Permissions)
	}
	if n := len(job.Steps); n == 0 || job.Steps[n-1].Run != ".ci/run" {
		t.Error("the last step is not .ci/run")
	}
}

// TestWorkflowsPinActions: a tag can be moved by whoever owns an action, a hash can't. The release's workflow may write only
// where it publishes, and builds nothing there.
func TestWorkflowsPinActions(t *testing.T) {
	paths, err := filepath.Glob(".github/workflows/*.yml")
	if err != nil || len(paths) < 2 {
		t.Fatalf("workflows %q, %v", paths, err)
	}
	pinned := regexp.MustCompile(`uses: [a-z-]+/[a-z-]+@[0-9a-f]{40} # v[0-9.]+$`)
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			if line = strings.TrimSpace(line); strings.Contains(line, "uses: ") && !pinned.MatchString(line) {
				t.Errorf("%s: not pinned by a hash and a version: %s", path, line)
			}
		}
	}
	var release struct {
		Permissions map[string]string `yaml:"permissions"`
		Jobs        map[string]struct {
			Permissions map[string]string `yaml:"permissions"`
		} `yaml:"jobs"`
	}
	text, err := os.ReadFile(".github/workflows/release.yml")
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, &release); err != nil {
		t.Fatal(err)
	}
	build, publish := release.Jobs["build"].Permissions, release.Jobs["publish"].Permissions
	if len(release.Permissions) != 0 || !maps.Equal(build, map[string]string{"contents": "read"}) || len(publish) != 4 {
		t.Errorf("permissions %v, %v and %v", release.Permissions, build, publish)
	}
}
