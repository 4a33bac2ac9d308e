package engine_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/coffer-secrets/coffer/store/admin"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
)

// inspect must succeed, must tell no value, and must change nothing.
func (c *client) inspect() admin.Inspection {
	c.w.Helper()
	before := c.w.tags()
	in, err := c.Inspect(c.w.Context(), service)
	if err != nil {
		c.w.Fatalf("inspect: %v", err)
	}
	for _, f := range in.Findings {
		if strings.Contains(fmt.Sprint(f), canary) {
			c.w.Errorf("a finding tells a value: %+v", f)
		}
	}
	if diff := cmp.Diff(before, c.w.tags()); diff != "" {
		c.w.Error("inspect has changed something:", diff)
	}
	return in
}

// tags are the states of all objects.
func (w *world) tags() map[string]bucket.Tag {
	out := map[string]bucket.Tag{}
	stored := w.stored
	if w.mem != nil {
		stored = w.mem.Objects // also those that nobody can open
	}
	for name, o := range stored() {
		out[name] = o.Tag
	}
	return out
}

// told is a finding in a line: severity, check, what it is about, and "mendable".
func told(findings []admin.Finding) []string {
	var out []string
	for _, f := range findings {
		about := f.ID.Key
		if about == "" {
			about = strings.TrimPrefix(f.Object, service+"/")
		}
		line := strings.TrimSpace(fmt.Sprintf("%s %s %s", f.Severity, f.Check, about))
		if f.Repairable {
			line += ", mendable"
		}
		out = append(out, line)
	}
	return out
}

func (c *client) wantTold(want ...string) {
	c.w.Helper()
	if diff := cmp.Diff(want, told(c.inspect().Findings), cmpopts.EquateEmpty()); diff != "" {
		c.w.Error("findings (-want +got):", diff)
	}
}

// mend must succeed, and returns what was mended.
func (c *client) mend() []string {
	c.w.Helper()
	truth := c.w.truth()
	mended, err := c.Repair(c.w.Context(), service)
	if err != nil {
		c.w.Fatalf("mend: %v", err)
	}
	if diff := cmp.Diff(truth, c.w.truth()); diff != "" {
		c.w.Error("mend has changed a secret:", diff)
	}
	return told(mended)
}

const webIndex = "__kms_alias_web__latest.json"

// justNow is a minute after the first object of a bucket in memory was put; a world begins
// months later.
var justNow = time.Date(2026, 1, 1, 0, 1, 0, 0, time.UTC)

func TestEachSicknessIsFoundAndMendedOrLeftAsItIs(t *testing.T) {
	for name, s := range sicknesses() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, s.options)
			s.setup(w)
			c := w.client(app)
			if s.by != nil {
				c = s.by(w)
			}
			c.wantTold(s.found...)
			before := w.tags()

			mended := c.mend()
			for _, line := range mended {
				if !strings.HasSuffix(line, "mendable") {
					t.Errorf("mended, and not mendable: %s", line)
				}
			}
			c.wantTold(s.left...)
			if len(mended) == 0 && !maps.Equal(before, w.tags()) {
				t.Error("nothing was mended, and something was changed")
			}
			if mendable := slices.ContainsFunc(s.found, func(f string) bool { return strings.HasSuffix(f, "mendable") }); mendable &&
				len(mended) == 0 && s.left == nil {
				t.Error("what was mended is not told")
			}
			if s.values != nil {
				c.wantLoad(s.values)
			}

			after := w.tags()
			if again := c.mend(); len(again) > 0 {
				t.Errorf("mended again: %q", again)
			}
			if diff := cmp.Diff(after, w.tags()); diff != "" {
				t.Error("a second run has changed something:", diff)
			}
		})
	}
}
