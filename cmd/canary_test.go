//go:build unix

package cmd_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/coffer-secrets/coffer/cmd"
	"github.com/coffer-secrets/coffer/internal/testing/proof"
	"github.com/coffer-secrets/coffer/internal/testing/s3test"
)

// everyCommand has a line for each command; "~" stands for a home of its own, and "BACKEND" for the one in
// use. What prints values by its nature says so.
var everyCommand = map[string][]canaryLine{
	"write":    {{line: "write team new -", stdin: canary}, {line: "write team url - --json --tags a=b", stdin: canary}},
	"read":     {{line: "read team url", tells: true}, {line: "read team url --out ~/out"}},
	"list":     {{line: "list team --json"}, {line: "list team --expand", tells: true}},
	"services": {{line: "services"}},
	"history":  {{line: "history team url --json"}},
	"delete":   {{line: "delete team gone url"}, {line: "delete team --service --yes", fails: true}, {line: "delete team url was --purge --yes"}},
	"exec": {
		{line: "exec team -- true"},
		{line: "exec team --pristine --strict -- true"},
		{line: "exec team --at 1h -- true", fails: true},
		{line: "exec team --mask -- ./child URL KEEP PAGER"},
		{line: "exec team --watch -- true"},
		{line: "exec --project ~/needs.yaml -- true", fails: true},
		{line: "exec --cache 24h team -- true"},
		{line: "exec --cache 24h -q team -- true"},
		{line: "exec team --file url -- true"},
		{line: "exec team --file-fd keep -- true", fails: runtime.GOOS != "linux"},
		{line: "exec team --file url=~/out --resolve --resolve-secret keep -- true"},
	},
	"cache": {{line: "cache list"}, {line: "cache list --json"}, {line: "cache clear team", fails: true}, {line: "cache clear"}},
	"check": {{line: "check --init team --project ~/coffer.yaml"}, {line: "check --json --project ~/needs.yaml", fails: true}},
	"lock":  {{line: "lock team"}, {line: "lock team -o ~/coffer.lock"}, {line: "lock team --at 1h", fails: true}, {line: "lock --check ~/none", fails: true}},
	"env":   {{line: "env team", tells: true}},
	"mcp": {
		{line: "mcp", stdin: requests([2]string{"services", "{}"}, [2]string{"keys", `{"service":"team"}`})},
		{line: "mcp team --allow true", stdin: requests([2]string{"describe", `{"service":"team"}`}, [2]string{"describe", `{"service":"team","key":"url"}`}, [2]string{"run", `{"command":["true"]}`})},
	},
	"inject": {
		{line: "inject", stdin: "{{ coffer://team/url | json }}", tells: true},
		{line: "inject -o ~/out", stdin: "{{ coffer://team/url }} {{ coffer://team/keep?version=1 | lines ## }} {{ coffer://team/pager | url }}", fails: true},
		{line: "inject -o ~/out", stdin: "{{ coffer://team/url }} {{ coffer://team/keep?version=1 | base64 }} {{ coffer://team/pager | url }}"},
	},
	"export": {{line: "export team", tells: true}, {line: "export team --format csv --out ~/out"}},
	"import": {
		{line: "import team -", stdin: `{"a":"` + canary + `","url":"` + canary + `"}`},
		{line: "import team - --dry-run --json", stdin: "a: " + canary + "\nb: [" + canary, fails: true},
		{line: "import team - --dry-run --json", stdin: "a: " + canary},
	},
	"find":  {{line: "find url"}, {line: "find --by-value -", stdin: canary + "-keep"}},
	"scan":  {{line: "scan -", stdin: "nothing"}, {line: "scan - --json -s team", stdin: "a " + canary + "-keep", fails: true}, {line: "scan ~/" + canary + "-keep", fails: true}, {line: "scan --staged", fails: true}},
	"tag":   {{line: "tag write team url a=b"}, {line: "tag read team url"}, {line: "tag delete team url a"}},
	"rekey": {{line: "rekey team --to alias/ops"}},
	"keys": {
		{line: "keys"},
		{line: "keys team --json --key alias/ops"},
		{line: "keys team --no-cache alias/ops"},
		{line: "keys members alias/app", on: "s3-age"},
		{line: "keys members alias/app --json", on: "s3-age"},
		{line: "keys grant alias/app " + newcomer + " --name newcomer", on: "s3-age"},
		{line: "keys revoke alias/app app --dry-run", on: "s3-age"},
		{line: "keys revoke alias/app app", on: "s3-age"},
		{line: "keys trust alias/app KEYID", on: "s3-age"},
		{line: "keys trust alias/app 00000000000000000000000000000000", fails: true, on: "s3-age"},
		{line: "keys grant alias/app " + newcomer, fails: true, on: "s3-kms s3-envelope"},
	},
	"audit":  {{line: "audit team"}, {line: "audit team url --json"}, {line: "audit team --cloudtrail", fails: true}},
	"doctor": {{line: "doctor --probe --json", fails: true}, {line: "doctor team --fix"}},
	"restore": {
		{line: "restore team url --version 1"}, {line: "restore team --deleted"}, {line: "restore team was --deleted"},
	},
	"edit":       {{line: "edit team --yes"}},
	"copy":       {{line: "copy team other"}},
	"diff":       {{line: "diff team url --versions 1,2", fails: true}, {line: "diff team other", fails: true}},
	"migrate":    {{line: "migrate team --from-backend BACKEND --to-backend local"}},
	"share":      {{line: "share team url", tells: true, on: "s3-kms"}, {line: "share --list", on: "s3-kms"}, {line: "share team url", fails: true, on: "s3-age s3-envelope"}},
	"policy":     {{line: "policy check reader team"}, {line: "policy reader team"}},
	"init":       {{line: "init --yes"}},
	"config":     {{line: "config"}},
	"whoami":     {{line: "whoami"}, {line: "whoami --json"}},
	"help":       {{line: "help exit-codes"}},
	"completion": {{line: "completion bash"}},
	"complete":   {{line: "__complete read team "}},
	"version":    {{line: "version"}},
}

// needsOtherTypes is a project's file with which no value of the service agrees.
const needsOtherTypes = `services: [team]
keys: {url: {type: port}, keep: {type: json}, pager: {type: pem}, gone: }
variables: {BOTH: "{{ coffer://team/url | ini }}{{ coffer://team/none }}"}
`

// canaryLine is a line of the canary test.
type canaryLine struct {
	line, stdin  string
	tells, fails bool
	on           string // the backends on which it is run; "" all
}

// TestNoCommandTellsAValue runs every command on every storage at the highest verbosity, as it should go
// and with something wrong at each of its requests: no stream, file or argument has a value that was not
// asked for. Where the storage seals, requests go wrong in make walk alone.
func TestNoCommandTellsAValue(t *testing.T) {
	t.Parallel()
	for _, name := range commandsOf(reflect.TypeFor[cmd.CLI]()) {
		lines, ok := everyCommand[name]
		if !ok {
			t.Errorf("%s: no line for it in everyCommand", name)
		}
		for backend, on := range storages {
			t.Run(backend+"/"+name, func(t *testing.T) {
				t.Parallel()
				s := stageOn(t, on.storage, s3test.Options{})
				s.keepDeleted()
				s.env = append(s.env, "EDITOR=true")
				for _, c := range lines {
					if c.isOn(backend) {
						c.line = s.written("--verbose "+c.line, backend)
						s.wantNoValue(c, on)
					}
				}
			})
		}
	}
}

// isOn reports whether a line is run on a backend.
func (c canaryLine) isOn(backend string) bool {
	return c.on == "" || slices.Contains(strings.Fields(c.on), backend)
}

// written returns a line of everyCommand as it is typed.
func (s *stage) written(line, backend string) string {
	return strings.NewReplacer("~", s.home, "BACKEND", backend).Replace(line)
}

// wantNoValue runs a line as it should go, and with faults.
func (s *stage) wantNoValue(c canaryLine, on walked) {
	s.Helper()
	const most = 8 // requests of a command line that meet a fault in make test
	s.reset()
	got := s.perform(c.line, c.stdin)
	if (got.exit == 0) == c.fails {
		s.Errorf("%s: exit code %d\n%s", c.line, got.exit, got.stderr)
	}
	s.wantNoValueIn(c.line, c.tells, got)
	if on.inTest > 1 && !proof.Whole() {
		return
	}
	var spots []spot
	seen := map[spot]int{}
	for _, e := range s.Log() {
		like := spot{op: e.Op, object: e.Key + e.Prefix}
		seen[like]++
		spots = append(spots, spot{like.op, like.object, seen[like]})
	}
	faults, take := faultsBeforeAndAfter(), proof.Thinned(1, on.inWalk)
	for i, at := range spots {
		if !proof.Whole() && i%(len(spots)/most+1) != 0 {
			continue // init and doctor make a hundred requests each
		}
		// A few faults at each request, all of them in the course of the walk.
		for j := range proof.Bounded(1, 3) {
			if !take() {
				continue
			}
			f := faults[(3*i+j)%len(faults)]
			s.reset()
			s.meets(at, f)
			got := s.perform(c.line, c.stdin)
			s.Fault(nil)
			s.wantNoValueIn(fmt.Sprintf("%s, %v at %v", c.line, f, at), c.tells, got)
		}
	}
}

func (s *stage) wantNoValueIn(what string, tells bool, got outcome) {
	s.Helper()
	s.Drain()
	_ = os.Remove(filepath.Join(s.home, "out")) // where it was asked for
	if strings.Contains(got.stderr, canary) || !tells && strings.Contains(got.stdout, canary) ||
		strings.Contains(got.stderr, dev.SecretKey) || strings.Contains(got.stderr, dev.SessionToken) ||
		strings.Contains(got.stderr, "panic:") {
		s.Errorf("%s: a value or a credential was told: exit code %d\n%s%s", what, got.exit, got.stdout, got.stderr)
	}
	s.wantNoFileTells()
	for _, o := range s.bucket.Objects() {
		if s.on.seals() && bytes.Contains(o.Body, []byte(canary)) {
			s.Errorf("%s: %s holds a value", what, o.Name)
		}
	}
}

// keepDeleted has the bucket keep versions, also of a secret that was deleted: was.
func (s *stage) keepDeleted() {
	s.Helper()
	s.bucket.KeepVersions(true)
	s.write("alias/app", "was", "was")
	if _, err := s.reader.Delete(s.Context(), "team", "was"); err != nil {
		s.Fatal(err)
	}
	s.past = s.bucket.AllVersions()
}

// commandsOf are the names of all commands of the grammar.
func commandsOf(grammar reflect.Type) []string {
	var all []string
	for i := range grammar.NumField() {
		f := grammar.Field(i)
		if _, ok := f.Tag.Lookup("cmd"); ok {
			all = append(all, strings.ToLower(f.Name))
		} else if f.Anonymous && f.Type.Kind() == reflect.Struct {
			all = append(all, commandsOf(f.Type)...)
		}
	}
	return all
}
