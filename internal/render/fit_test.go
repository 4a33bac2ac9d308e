package render

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// fitted returns a table at a terminal of some width.
func fitted(t *testing.T, columns int, layout Layout, rows ...[]any) string {
	t.Helper()
	var out bytes.Buffer
	if err := Table(&out, Style{Terminal: true, Width: columns, Now: noon}, layout, rows); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestTablesFitTheTerminal(t *testing.T) {
	layout := Layout{
		Columns: []string{"Key", "Version", "User", "Value", "Service"},
		Lead:    "Service", Drop: []string{"User", "Version"}, Cut: []string{"Value"},
	}
	row := []any{"db_url", 12, "arn:aws:sts::123456789012:assumed-role/ci/run-7", Text(strings.Repeat("v", 30)), "api"}
	for _, c := range []struct {
		columns int
		want    string
	}{
		{200, "Service  Key     Version  User                                             Value\n" +
			"api      db_url  12       arn:aws:sts::123456789012:assumed-role/ci/run-7  vvvvvvvvvvvvvvvvvvvvvvvvvvvvvv\n"},
		{70, "Service  Key     Version  User   Value\n" +
			"api      db_url  12       run-7  vvvvvvvvvvvvvvvvvvvvvvvvvvvvvv\n"},
		{60, "Service  Key     Version  User   Value\n" +
			"api      db_url  12       run-7  vvvvvvvvvvvvvvvvvvvvvvvvvv…\n"},
		{45, "Service  Key     Version  Value\n" +
			"api      db_url  12       vvvvvvvvvvvvvvvvvv…\n"},
		{40, "Service  Key     Value\n" +
			"api      db_url  vvvvvvvvvvvvvvvvvvvvvv…\n"},
		{29, "Service  Key     Value\n" +
			"api      db_url  vvvvvvvvvvv…\n"},
		// Names stay whole, and then nothing is left out.
		{28, "Service  api\nKey      db_url\nVersion  12\n" +
			"User     arn:aws:sts::123456789012:assumed-role/ci/run-7\nValue    vvvvvvvvvvvvvvvvvvvvvvvvvvvvvv\n"},
	} {
		if diff := cmp.Diff(c.want, fitted(t, c.columns, layout, row)); diff != "" {
			t.Errorf("%d columns:\n%s", c.columns, diff)
		}
	}
}

func TestNamesAreWrappedByTheTerminalRatherThanCut(t *testing.T) {
	long := strings.Repeat("long_", 10) + "key"
	layout := Layout{Columns: []string{"Service", "Key", "Version"}, Drop: []string{"Version"}}
	want := "Service  Key\napi      " + long + "\n"
	if diff := cmp.Diff(want, fitted(t, 40, layout, []any{"api", long, 1})); diff != "" {
		t.Error(diff)
	}
}

func TestWideCharactersCountAsTwo(t *testing.T) {
	layout := Layout{Columns: []string{"Key", "Value"}, Cut: []string{"Value"}}
	want := "Key     Value\n日本語  値値値値値値値値値値値値値値値…\nb       x\n"
	if diff := cmp.Diff(want, fitted(t, 40, layout, []any{"日本語", Text(strings.Repeat("値", 30))}, []any{"b", Text("x")})); diff != "" {
		t.Error(diff)
	}
}

func TestARNsAreShortenedToTheirLastPart(t *testing.T) {
	for arn, want := range map[string]string{
		"arn:aws:iam::123456789012:user/team/ann":                    "ann",
		"arn:aws:iam::123456789012:root":                             "root",
		"arn:aws:sts::123456789012:assumed-role/ci/run-7":            "run-7",
		"arn:aws-cn:sts::123456789012:federated-user/bob":            "bob",
		"arn:aws:kms:eu-west-1:123456789012:key/0b1c2d3e":            "0b1c2d3e",
		"arn:aws:kms:eu-west-1:123456789012:alias/app":               "alias/app",
		"arn:aws:s3:::bucket/api/*":                                  "bucket/api/*",
		"arn:aws:ssm:eu-west-1:123456789012:parameter/api/worker/db": "parameter/api/worker/db",
		"arn:aws:iam": "arn:aws:iam",
		"bob":         "bob",
	} {
		if got := lastPart(arn); got != want {
			t.Errorf("%s becomes %s, want %s", arn, got, want)
		}
	}
}

// A value that is an ARN is what somebody has stored, and a person may copy it.
func TestAValueThatIsAnARNIsNotShortened(t *testing.T) {
	arn := "arn:aws:kms:eu-west-1:123456789012:key/0b1c2d3e"
	layout := Layout{Columns: []string{"Key", "User", "Value"}, Drop: []string{"User"}}
	if got := fitted(t, 60, layout, []any{"k", arn, Text(arn)}); !strings.HasSuffix(got, arn+"\n") {
		t.Errorf("the table is\n%s", got)
	}
}

func TestARecordThatDoesNotFitIsAListOfItsCells(t *testing.T) {
	value := strings.Repeat("v", 100)
	layout := Layout{Columns: []string{"Key", "Value", "Last modified"}, Record: true}
	want := "Key            k\nValue          " + value + "\nLast modified  just now\n"
	if diff := cmp.Diff(want, fitted(t, 80, layout, []any{"k", Text(value), noon})); diff != "" {
		t.Error(diff)
	}
	if got := fitted(t, 80, layout, []any{"k", Text("v"), noon}); !strings.HasPrefix(got, "Key  Value  Last modified\n") {
		t.Errorf("a short one is\n%s", got)
	}
}

func TestEmptyValueIsShown(t *testing.T) {
	for _, style := range []Style{{}, {Terminal: true, Width: 80}} {
		for cell, want := range map[any]string{Text(""): `""`, nil: "-", "": "-", Text(`""`): `"\"\""`, Text("-"): `"-"`} {
			if got := style.cell(cell); got != want {
				t.Errorf("%#v is shown as %s, want %s", cell, got, want)
			}
		}
	}
}

func TestMarksNeedColor(t *testing.T) {
	rows := [][]any{{"s3:GetObject", Marked{Done, "yes"}, "x"}, {"s3:PutObject", Marked{Failed, "no"}, "y"}, {"s3:ListBucket", Marked{Warning, "unknown"}, "z"}}
	header := []string{"Permission", "Allowed", "On"}
	plainTable := "Permission     Allowed  On\ns3:GetObject   yes      x\ns3:PutObject   no       y\ns3:ListBucket  unknown  z\n"
	if diff := cmp.Diff(plainTable, table(t, Style{Terminal: true}, header, rows)); diff != "" {
		t.Error(diff)
	}
	colored := "\x1b[1mPermission     Allowed    On\x1b[0m\ns3:GetObject   \x1b[32m✓\x1b[0m yes      x\n" +
		"s3:PutObject   \x1b[31mX\x1b[0m no       y\ns3:ListBucket  \x1b[33m!\x1b[0m unknown  z\n"
	if diff := cmp.Diff(colored, table(t, Style{Terminal: true, Color: true}, header, rows)); diff != "" {
		t.Error(diff)
	}
}

func TestTextIsWrappedAtSpaces(t *testing.T) {
	got := Style{Width: 20}.Wrap("one two three four 日本語日本語 averyveryverylongword\x1b end", "    ")
	want := "    one two three\n    four\n    日本語日本語\n    averyveryverylongword\\x1b\n    end"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
