package formats

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Names of readers in trickyYAML.
const goYAML, pyYAML = "go-yaml v4", "PyYAML"

// trickyYAML are files about which readers of YAML differ, or once did. What coffer reads is
// what each of the others reads that reads it at all. "" is a file that coffer refuses.
var trickyYAML = []struct {
	text, want string
	refuse     []string // readers that refuse what coffer reads
}{
	// The header: go-yaml v4.0.0 takes version 1.1 alone, and no directive that it does not know.
	{"%YAML 1.1\n---\na: x\n", `{"a":"x"}`, nil},
	{"%YAML 1.2\n---\na: x\n", `{"a":"x"}`, []string{goYAML}},
	{"# c\n%YAML 1.2 # c\r\n---\r\na: x\r\n", `{"a":"x"}`, []string{goYAML}},
	{"%YAML 1.3\n---\na: x\n", `{"a":"x"}`, []string{goYAML}},
	{"%FOO bar\n---\na: x\n", `{"a":"x"}`, []string{goYAML}},
	{"%TAG ! tag:x,2000:\n---\na: x\n", `{"a":"x"}`, nil},
	{"%YAML 2.0\n---\na: x\n", "", nil},
	{"%YAML 1.2\n%YAML 1.2\n---\na: x\n", "", nil},
	{"%YAML 1.2\na: x\n", "", nil},
	// Block scalars that begin with a tab.
	{"a: |\n  \tx\n  y\n", `{"a":"\tx\ny\n"}`, nil},
	{"a: >\n  \tx\n  y\n", `{"a":"\tx\ny\n"}`, nil},
	{"a: >+\n  \tx\n  y\n\n  z\n\n", `{"a":"\tx\ny\nz\n\n"}`, nil},
	{"a: |\n\n\n  \tx\nb: z\n", `{"a":"\n\n\tx\n","b":"z"}`, nil},
	{"z: y\na: |- # c\n  \tx\n\n  y\n\n", `{"a":"\tx\n\ny","z":"y"}`, nil},
	{"a: |\n  \tx\n   y\n  \tz\nb: |\n  \tw\nc: >-\n\n   \tv\n", `{"a":"\tx\n y\n\tz\n","b":"\tw\n","c":"\n\tv"}`, nil},
	{"a: &x |\r\n  \tx\r\nb: *x\r\n", `{"a":"\tx\n","b":"\tx\n"}`, nil},
	{"a: |\n  \ue000\nb: |\n  \tx\n", `{"a":"\ue000\n","b":"\tx\n"}`, nil},
	{"a: |\n\tx\n", "", nil},
	{"a: |\n   \n  \tx\n", "", nil},
	{"a: x\n\ty\n", "", nil},
	{"a:\tx\n", `{"a":"x"}`, []string{pyYAML}},
	// Escapes, and JSON.
	{"a: \"\\N\\L\\P\\_\\x41\\e\"\n", `{"a":"\u0085\u2028\u2029\u00a0A\u001b"}`, nil},
	{`{"url":"https:\/\/x"}`, `{"url":"https://x"}`, nil},
	{`{"a":"\ud83d\ude00"}`, `{"a":"😀"}`, []string{goYAML}},
	{"{\"a\":\"b\",}", `{"a":"b"}`, nil},
	{"{a: b, \"c\":d}", `{"a":"b","c":"d"}`, nil},
	{"{\"a\":\"x\n  y\"}", `{"a":"x y"}`, nil},
	{"--- {a: x}\n", `{"a":"x"}`, nil},
	// Characters that end a line in YAML 1.1 alone, and one that does not for npm's yaml.
	{"a: \"x\u0085y\"\n", "", nil},
	{"a: |\n  x\u0085  y\n", "", nil},
	{"a: x # c\u2028b: y\n", "", nil},
	{"a: \"x\ry\"\n", "", nil},
	{"a: |\n  x\r  y\n", "", nil},
	// Folding, indentation, quotes.
	{"a: |1\n  x\n", `{"a":" x\n"}`, nil},
	{"a: |2-\n    x\n", `{"a":"  x"}`, nil},
	{"a: >-\n\n  x\n   y\n  z\n", `{"a":"\nx\n y\nz"}`, nil},
	{"a: |\n   x\n  y\n", "", nil},
	{"a: \"x\\\n  y\"\n", `{"a":"xy"}`, nil},
	{"a: 'x\n\n\n  y'\n", `{"a":"x\n\ny"}`, nil},
	{"a: 'it''s' #y\n", `{"a":"it's"}`, nil},
	{"a: x#y\nb: -x\nc: ?x\nd: :x\ne: x]\n", `{"a":"x#y","b":"-x","c":"?x","d":":x","e":"x]"}`, nil},
	{"a: b: c\n", "", nil},
	{"a: @x\n", "", nil},
	{"a: !x\n", "", nil},
	{"a: ! x\nb: !!str\n", `{"a":"x","b":""}`, nil},
	{"a: 'x'\na: 'y'\n", "", nil},
	{"? a\n: x\n", `{"a":"x"}`, nil},
	{"\ufeffa: \"\ufeffx\"\n", `{"a":"\ufeffx"}`, nil},
	{"a: x\n...\n# end\n", `{"a":"x"}`, nil},
	{"---\na: x\n---\n", "", nil},
}

func TestYAMLIsReadAsOtherReadersReadIt(t *testing.T) {
	for _, doc := range trickyYAML {
		want := doc.want
		if want != "" {
			want = compact(t, []byte(want))
		}
		if got := ourYAML(t, doc.text); got != want {
			t.Errorf("%q is %q, want %q", doc.text, got, want)
		}
	}
}

// The one value about which readers differ and that is not refused: docs/formats.md says whose it is.
func TestABlockScalarWithoutALastNewline(t *testing.T) {
	const text = "a: |\n  x"
	if got := ourYAML(t, text); got != `{"a":"x"}` {
		t.Errorf("it is %s", got)
	}
	file := filepath.Join(t.TempDir(), "cut.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for want, readers := range map[string][]*reader{"x": {python("yaml"), golib("yaml")}, "x\n": {npm("js-yaml"), npm("yaml")}} {
		for _, r := range readers {
			if got := r.strings(t, file)[0]["a"]; got != want {
				t.Errorf("%v reads %q, want %q", r.command, got, want)
			}
		}
	}
}

func TestOtherReadersOfYAMLAgreeWithOurs(t *testing.T) {
	dir := t.TempDir()
	var files []string
	for i, doc := range trickyYAML {
		file := filepath.Join(dir, strconv.Itoa(i))
		if err := os.WriteFile(file, []byte(doc.text), 0o600); err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
	}
	readers := map[string]*reader{"js-yaml": npm("js-yaml"), "yaml": npm("yaml"), pyYAML: python("yaml"), goYAML: golib("yaml")}
	read := make([]map[string]string, len(files)) // file -> reader -> what it reads
	for name, r := range readers {
		for i, a := range r.files(t, files...) {
			if read[i] == nil {
				read[i] = map[string]string{}
			}
			if a.Error != "" {
				continue
			}
			body, err := json.Marshal(a.Value)
			if err != nil {
				t.Fatal(err)
			}
			read[i][name] = compact(t, body)
		}
	}
	for i, doc := range trickyYAML {
		var refuse []string
		for name := range readers {
			switch got, ok := read[i][name]; {
			case doc.want == "": // there is no right value
			case !ok:
				refuse = append(refuse, name)
			case got != compact(t, []byte(doc.want)):
				t.Errorf("%s reads %q as %s, coffer as %s", name, doc.text, got, doc.want)
			}
		}
		if slices.Sort(refuse); !slices.Equal(refuse, doc.refuse) {
			t.Errorf("%q is refused by %q, not %q", doc.text, refuse, doc.refuse)
		}
		if doc.want == "" && len(read[i]) == len(readers) && allEqual(read[i]) {
			t.Errorf("every reader reads %q as %s, and coffer refuses it", doc.text, read[i]["yaml"])
		}
	}
}

func allEqual(values map[string]string) bool {
	seen := map[string]bool{}
	for _, v := range values {
		seen[v] = true
	}
	return len(seen) == 1
}

// compact is a JSON object with its names sorted.
func compact(t *testing.T, body []byte) string {
	t.Helper()
	text, err := json.Marshal(object(t, body))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// ourYAML is what coffer reads, as one JSON object with its names sorted; "" where it refuses.
func ourYAML(t *testing.T, text string) string {
	t.Helper()
	pairs, err := Decode(strings.NewReader(text), "yaml", Options{})
	if err != nil {
		return ""
	}
	all := map[string]string{}
	for _, p := range pairs {
		all[p.Key] = p.Value.Reveal()
	}
	body, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}
