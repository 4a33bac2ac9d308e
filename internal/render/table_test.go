package render

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/coffer-secrets/coffer/store"
)

var noon = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)

func table(t *testing.T, style Style, header []string, rows [][]any) string {
	t.Helper()
	var out bytes.Buffer
	if err := Table(&out, style, Layout{Columns: header}, rows); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestTableAlignsColumns(t *testing.T) {
	header := []string{"Key", "Version", "Last modified", "By"}
	rows := [][]any{
		{"db_url", 12, noon.Add(-3 * time.Minute), "arn:aws:sts::123456789012:assumed-role/ci/run-7"},
		{"a", 3, time.Time{}, ""},
		{"", nil, noon.Add(-49 * time.Hour), "-"},
		{"日本語", 1, noon, "é"},
		{"evil\x1b[2J\nrow", true, noon, "\u202etxt"},
		{"  spaces ", store.NewValue("canary-7f3a"), noon, `"quoted"`},
	}
	for name, c := range map[string]struct {
		style Style
		want  []string
	}{
		"pipe": {Style{}, []string{
			"Key\tVersion\tLastModified\tBy",
			"db_url\t12\t2026-03-04T11:57:00Z\tarn:aws:sts::123456789012:assumed-role/ci/run-7",
			"a\t3\t-\t-",
			"-\t-\t2026-03-02T11:00:00Z\t\"-\"",
			"日本語\t1\t2026-03-04T12:00:00Z\té",
			`"evil\x1b[2J\nrow"` + "\ttrue\t2026-03-04T12:00:00Z\t" + `"\u202etxt"`,
			`"  spaces "` + "\t[redacted]\t2026-03-04T12:00:00Z\t" + `"\"quoted\""`,
		}},
		"terminal": {Style{Terminal: true, Color: true, Now: noon}, []string{
			"\x1b[1m" + `Key                 Version     Last modified  By` + "\x1b[0m",
			`db_url              12          3 minutes ago  arn:aws:sts::123456789012:assumed-role/ci/run-7`,
			`a                   3           -              -`,
			`-                   -           2 days ago     "-"`,
			`日本語              1           just now       é`,
			`"evil\x1b[2J\nrow"  true        just now       "\u202etxt"`,
			`"  spaces "         [redacted]  just now       "\"quoted\""`,
		}},
	} {
		t.Run(name, func(t *testing.T) {
			got := table(t, c.style, header, rows)
			if diff := cmp.Diff(strings.Join(c.want, "\n")+"\n", got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestTableWithoutRowsIsItsHeader(t *testing.T) {
	if got := table(t, Style{Terminal: true}, []string{"Key", "Version"}, nil); got != "Key  Version\n" {
		t.Errorf("table is %q", got)
	}
}

func TestTableWithoutAWidthCutsAndWrapsNothing(t *testing.T) {
	long := strings.Repeat("long words and ", 5000) + "end"
	for _, style := range []Style{{}, {Terminal: true}} {
		got := table(t, style, []string{"Key", "Value"}, [][]any{{"k", long}, {long, "v"}})
		if strings.Count(got, "\n") != 3 || strings.Count(got, long) != 2 {
			t.Errorf("%d lines, the text %d times", strings.Count(got, "\n"), strings.Count(got, long))
		}
	}
}

func TestTableRefusesARowOfAnotherLength(t *testing.T) {
	var out bytes.Buffer
	if err := Table(&out, Style{}, Layout{Columns: []string{"A", "B"}}, [][]any{{1, 2}, {1}}); err == nil || out.Len() != 0 {
		t.Errorf("%v, and %q is written", err, out.String())
	}
}

// writes counts calls and fails when told to.
type writes struct {
	calls int
	err   error
}

func (w *writes) Write(p []byte) (int, error) {
	w.calls++
	if w.err != nil {
		return 0, w.err
	}
	return len(p), nil
}

func TestOutputIsOneWriteAndItsErrorIsTold(t *testing.T) {
	for name, render := range map[string]func(io.Writer) error{
		"table": func(w io.Writer) error { return Table(w, Style{}, Layout{Columns: []string{"A"}}, make2D(5000)) },
		"json":  func(w io.Writer) error { return JSON(w, make2D(5000)) },
	} {
		fine := &writes{}
		if err := render(fine); err != nil || fine.calls != 1 {
			t.Errorf("%s: %v after %d writes", name, err, fine.calls)
		}
		if err := render(&writes{err: io.ErrClosedPipe}); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("%s: error is %v", name, err)
		}
	}
}

func make2D(n int) [][]any {
	rows := make([][]any, n)
	for i := range rows {
		rows[i] = []any{i}
	}
	return rows
}

// widthChild tells the test's own program, started in another locale, to draw a table.
const widthChild = "RENDER_TEST_WIDTH"

func TestMain(m *testing.M) {
	if os.Getenv(widthChild) != "" {
		if err := Table(os.Stdout, Style{Terminal: true}, Layout{Columns: []string{"Key", "By"}}, ambiguous()); err != nil {
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// ambiguous has characters that some locales count as two columns.
func ambiguous() [][]any { return [][]any{{"§…α│", "x"}, {"plain", "y"}} }

func TestWidthsDoNotDependOnTheLocale(t *testing.T) {
	want := "Key    By\n§…α│   x\nplain  y\n"
	for _, locale := range [][]string{{"LC_ALL=C"}, {"LC_ALL=zh_CN.UTF-8", "TERM=linux"}, {"RUNEWIDTH_EASTASIAN=1"}} {
		child := exec.Command(os.Args[0])
		child.Env = append(locale, widthChild+"=1")
		got, err := child.Output()
		if err != nil || string(got) != want {
			t.Errorf("%v: %v\n%s", locale, err, got)
		}
	}
}

func FuzzTable(f *testing.F) {
	f.Add("db_url", "value", "Key", uint8(2))
	f.Add("a\nb", "\x1b]0;title\x07", "", uint8(3))
	f.Add("\u202e\u2028\u0085", "\xff\x00\t\r", "日本語", uint8(1))
	f.Add("   ", "-", "\"", uint8(0))
	f.Add("\x1b[31mred", "e\u0301👩\u200d👧", "\u200b", uint8(4))
	f.Add("0", "", "0", uint8(1)) // a column without a title isn't the one that leads
	f.Fuzz(func(t *testing.T, a, b, header string, n uint8) {
		var rows [][]any
		for range n % 5 {
			rows = append(rows, []any{a, b, a})
		}
		got := table(t, Style{Terminal: true}, []string{header, "B", b}, rows)
		if lines := strings.Count(got, "\n"); lines != len(rows)+1 || !strings.HasSuffix(got, "\n") {
			t.Fatalf("%d rows make %d lines:\n%q", len(rows), lines, got)
		}
		if r := unsafeRune(strings.ReplaceAll(got, "\n", "")); r != 0 {
			t.Fatalf("%U leaves:\n%q", r, got)
		}
		for i, line := range strings.Split(strings.TrimSuffix(got, "\n"), "\n")[1:] {
			for _, want := range rows[i] {
				_, rest, found := strings.Cut(line, Style{}.cell(want))
				if !found {
					t.Fatalf("%q is not in line %d: %q", want, i, line)
				}
				line = rest
			}
			if line != "" {
				t.Fatalf("line %d ends in %q", i, line)
			}
		}
	})
}

// unsafeRune says over again which characters a terminal must not get; 0 when none is in s.
func unsafeRune(s string) rune {
	if !utf8.ValidString(s) {
		return utf8.RuneError
	}
	for _, r := range s {
		if unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Co) || unicode.Is(unicode.Bidi_Control, r) {
			return r
		}
	}
	return 0
}

func list(n int) [][]any {
	rows := make([][]any, n)
	for i := range rows {
		rows[i] = []any{fmt.Sprintf("database_url_%d", i), i % 90, noon, "arn:aws:sts::123456789012:assumed-role/ci/run-7", "alias/app"}
	}
	return rows
}

// The time is the benchmark's matter: on a busy machine it says nothing. Memory is the same
// everywhere.
func TestTableOfTenThousandRowsIsSmall(t *testing.T) {
	rows := list(10_000)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if err := Table(io.Discard, Style{Terminal: true, Width: 80}, Layout{Columns: []string{"Key", "Version", "Last modified", "By", "Alias"}}, rows); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if mib := (after.TotalAlloc - before.TotalAlloc) >> 20; mib > 100 {
		t.Errorf("%d MiB were allocated", mib)
	}
}

func BenchmarkTableOfTenThousandRows(b *testing.B) {
	rows := list(10_000)
	b.ReportAllocs()
	for b.Loop() {
		if err := Table(io.Discard, Style{Terminal: true, Width: 80}, Layout{Columns: []string{"Key", "Version", "Last modified", "By", "Alias"}}, rows); err != nil {
			b.Fatal(err)
		}
	}
}
