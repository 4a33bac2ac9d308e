//go:build unix

package cmd_test

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/coffer-secrets/coffer/internal/testing/s3test"
)

// tableColumns are the first columns of each table, as programs get them. Those of chamber's tables are
// chamber's (cmd/*.go of its version 3.1.4).
var tableColumns = map[string]string{
	"list api":                           "Key\tVersion\tLastModified\tUser\tKeyAlias",
	"list api web":                       "Key\tVersion\tLastModified\tUser\tService\tKeyAlias",
	"list -e api":                        "Key\tVersion\tLastModified\tUser\tValue",
	"read api url":                       "Key\tValue\tVersion\tLastModified\tUser",
	"history api url":                    "Event\tVersion\tDate\tUser",
	"history -e api url":                 "Event\tVersion\tDate\tUser\tValue",
	"services":                           "Service",
	"services -s":                        "Service",
	"find ur":                            "Service\tKey",
	"tag read api url":                   "Key\tValue",
	"keys":                               "Service\tAlias\tKey\tSecrets\tOtherObjects\tState\tUsable\tCurrent\tLastChange",
	"doctor":                             "Severity\tCheck\tAbout\tFix\tWhat",
	"doctor --probe":                     "Feature\tSupported\tSeen",
	"audit api":                          "Date\tKey\tVersion\tUser\tKeyAlias",
	"diff api web":                       "Key\tState\tLeftVersion\tRightVersion",
	"diff api web --reveal":              "Key\tState\tLeftVersion\tRightVersion\tLeft\tRight",
	"config":                             "Setting\tValue\tFrom",
	"whoami":                             "Name\tValue\tFrom",
	"policy check reader api":            "Permission\tResource\tAllowed\tReason",
	"share --list api":                   "ID\tEnds",
	"restore api --deleted":              "Key\tVersion\tLastModified\tUser\tKeyAlias\tDeleted\tState",
	"copy api web --dry-run":             "Key\tVersion\tChange",
	"rekey api --to alias/ops --dry-run": "Service\tKey\tVersion\tFrom\tChange",
	"migrate api --to-backend local --kms-key-alias= --dry-run": "Service\tKey\tVersionsToWrite\tChange",
}

func TestTablesOffATerminalAreTabSeparated(t *testing.T) {
	t.Parallel()
	b := newBench(t, s3test.Options{})
	b.bucket.KeepVersions(true)
	b.do("write api evil -", "two\nlines\tand a tab \x1b[2J")
	b.do("write api old -", canary)
	b.do("delete api old", "")
	b.do("write api url -", canary)
	b.do("write api empty -", "")
	b.do("write web other -", canary)
	b.do("tag write api url owner=team", "")
	for line, want := range tableColumns {
		got := b.run(line, "")
		lines := strings.Split(strings.TrimSuffix(got.stdout, "\n"), "\n")
		if lines[0] != want {
			t.Errorf("coffer %s: the columns are\n%q, want\n%q\n%s", line, lines[0], want, got.stderr)
			continue
		}
		for _, row := range lines {
			if strings.HasPrefix(row, "Severity\t") {
				break // the table after the one of --probe
			}
			if strings.Count(row, "\t") != strings.Count(want, "\t") || strings.Contains(row, "\x1b") || strings.Contains(row, "\t\t") {
				t.Errorf("coffer %s: a row is %q", line, row)
			}
		}
	}
	cut := exec.Command("sh", "-c", "coffer list api | tail -n +2 | cut -f1; coffer list -e api | tail -n +2 | cut -f5; coffer list api | cut -f4 | tail -n 1")
	cut.Env = b.env
	got, err := cut.Output()
	want := "empty\nevil\nurl\n" + `""` + "\n" + `"two\nlines\tand a tab \x1b[2J"` + "\n" + canary + "\narn:aws:sts::111122223333:assumed-role/dev/session\n"
	if diff := cmp.Diff(want, string(got)); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
}

func TestServicesWithSecretsPrintWhatTheirUsersExpect(t *testing.T) {
	t.Parallel()
	b := newBench(t, s3test.Options{})
	b.do("write api url -", canary)
	b.do("write api/worker queue -", canary)
	for line, want := range map[string]string{
		"services":               "Service\napi\napi/worker\n",
		"list-services":          "Service\napi\napi/worker\n",
		"services -s":            "Service\napi/url\napi/worker/queue\n",
		"list-services -s":       "Service\n/api/url\n/api/worker/queue\n", // chamber's, on every backend
		"-q list-services -s":    "Service\n/api/url\n/api/worker/queue\n",
		"list-services -s api/w": "Service\n/api/worker/queue\n",
	} {
		if got := b.out(line); got != want {
			t.Errorf("coffer %s prints\n%s", line, got)
		}
	}
}

func TestFindPartsOfNames(t *testing.T) {
	t.Parallel()
	b := newBench(t, s3test.Options{})
	for _, name := range []string{"a db_url_old", "b db_url", "c Db_Url --preserve-case", "d old_db_url", "db-prod key"} {
		b.do("write "+name+" -", canary)
	}
	for line, want := range map[string]string{
		"find db_url":    "b db_url,c Db_Url,a db_url_old,d old_db_url", // the equal one first, then those in another case
		"find DB_":       "a db_url_old,b db_url,c Db_Url,d old_db_url",
		"find Db_Url":    "c Db_Url,b db_url,a db_url_old,d old_db_url",
		"find db_url -x": "b db_url,c Db_Url",
		"find db_url*":   "a db_url_old,b db_url,c Db_Url",
		"find d?_url":    "b db_url,c Db_Url",
		"find prod/":     "db-prod key",
		"find b/db_url":  "b db_url",
		"find db-prod":   "",
		"find ?/*old":    "a db_url_old",
		"find nothing":   "",
	} {
		rows := strings.Split(strings.TrimSuffix(b.table(line), "\n"), "\n")
		if got := strings.Join(rows[1:], ","); got != want {
			t.Errorf("coffer %s finds %s, want %s", line, got, want)
		}
	}
	b.wants("find nothing", "", 0, []string{"Service\tKey\n"}, []string{"nothing was found"})
}

func TestDiffShowsDifferences(t *testing.T) {
	t.Parallel()
	b := newBench(t, s3test.Options{})
	b.do("import api -f json -", `{"same": "x", "empty": "", "other": "1", "left": "y"}`)
	b.do("import web -f json -", `{"same": "x", "empty": "", "other": "", "right": ""}`)
	for line, want := range map[string]outcome{
		"diff api web":                             {1, "left only left 1 -,other differs 1 1,right only right - 1", ""},
		"diff api web --reveal":                    {1, `left only left 1 - y -,other differs 1 1 1 "",right only right - 1 - ""`, ""},
		"diff api web --all --keys same":           {0, "same same 1 1", ""},
		"diff api web --all --keys [es]* --reveal": {0, `empty same 1 1 "" "",same same 1 1 x x`, ""},
		"diff api web --keys same":                 {0, "", ""},
	} {
		got := b.run(line, "")
		var rows []string
		for row := range strings.Lines(got.stdout) {
			rows = append(rows, strings.Join(strings.Fields(row), " "))
		}
		if text := strings.Join(rows[min(1, len(rows)):], ","); got.exit != want.exit || text != want.stdout {
			t.Errorf("coffer %s: exit code %d\n%s\n%s", line, got.exit, text, got.stderr)
		}
	}
}
