package formats

import (
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/coffer-secrets/coffer/store"
)

// decode gives the pairs as "key=value" texts.
func decode(body, format string, o Options) ([]string, error) {
	pairs, err := Decode(strings.NewReader(body), format, o)
	var all []string
	for _, p := range pairs {
		all = append(all, p.Key+"="+p.Value.Reveal())
	}
	return all, err
}

func TestDecodeKeepsWhatIsWritten(t *testing.T) {
	for _, test := range []struct {
		name, format, body string
		o                  Options
		want               []string
	}{
		{"chamber's json", "json", `{"b":"1","DB_HOST":"x\u003c"}`, Options{}, []string{"b=1", "DB_HOST=x<"}},
		{"json scalars", "json", `{"a":1.0,"b":1e3,"c":-0,"d":true,"e":12345678901234567890123}`, Options{}, []string{"a=1.0", "b=1e3", "c=-0", "d=true", "e=12345678901234567890123"}},
		{"json surrogates", "json", `{"a":"\ud83d\ude00 \ufffd"}`, Options{}, []string{"a=😀 \ufffd"}},
		{"json nested", "json", `{"a":{"b":{"c":1},"d":"x"},"e":{}}`, Options{Flatten: "_"}, []string{"a_b_c=1", "a_d=x"}},
		{"json empty", "json", " \n", Options{}, nil},
		{"json BOM", "json", "\ufeff{\"a\":\"1\"}\r\n", Options{}, []string{"a=1"}},
		{"yaml scalars", "yaml", "a: 0123\nb: 1.0\nc: 1e3\nd: yes\ne: 2026-01-02\nf: 0x1F\ng: 12:30:45\nh: .inf\ni: 1_000\nj: TRUE\n1: n\n", Options{}, []string{"a=0123", "b=1.0", "c=1e3", "d=yes", "e=2026-01-02", "f=0x1F", "g=12:30:45", "h=.inf", "i=1_000", "j=TRUE", "1=n"}},
		{"yaml strings", "yaml", "---\na: 'it''s'\nb: \"x\\ny\"\nc: |\n  l1\n  l2\nd: >-\n  f1\n  f2\ne: !!str 007\nf: ''\nnull: x\n...\n", Options{}, []string{"a=it's", "b=x\ny", "c=l1\nl2\n", "d=f1 f2", "e=007", "f=", "null=x"}},
		{"yaml takes json", "yaml", `{"a": "x", "b": 1.0}`, Options{}, []string{"a=x", "b=1.0"}},
		{"yaml alias", "yaml", "a: &x v\nb: *x\n", Options{}, []string{"a=v", "b=v"}},
		{"yaml nested alias", "yaml", "a: &x {k: v}\nb: *x\n", Options{Flatten: "."}, []string{"a.k=v", "b.k=v"}},
		{"yaml comments", "yaml", "# nothing\n", Options{}, nil},
		{"yaml CRLF", "yaml", "a: x\r\nb: y\r\n", Options{}, []string{"a=x", "b=y"}},
		{"toml scalars", "toml", "a = 1.0\nb = 1e3\nc = true\nd = 2026-01-02\ne = 2026-01-02T03:04:05.600Z\nf = 1_000\ng = 0x1F\nh = inf\nj = 07:32:00\nk = 1979-05-27 07:32:00\n", Options{}, []string{"a=1.0", "b=1e3", "c=true", "d=2026-01-02", "e=2026-01-02T03:04:05.600Z", "f=1_000", "g=0x1F", "h=inf", "j=07:32:00", "k=1979-05-27 07:32:00"}},
		{"toml strings", "toml", "a = \"x\\ny\"\nb = 'c:\\d'\nc = \"\"\"\nl1\nl2\n\"\"\"\nd = '''\nraw\\n'''\n\"e.f\" = \"\"\n", Options{}, []string{"a=x\ny", "b=c:\\d", "c=l1\nl2\n", "d=raw\\n", "e.f="}},
		{"toml nested", "toml", "a.b = 1\n[c]\nd = 2\n[c.e]\nf = {g = 3}\n", Options{Flatten: "_"}, []string{"a_b=1", "c_d=2", "c_e_f_g=3"}},
		{"dotenv", "dotenv", "# c\n\nexport A=1\nB = x y # c\nC='l1\nl2 \\n $X'\nD=\"a\\nb\\t\\\"\\\\\\$\\!\\d\" # c\nE=\nF=\"\"\nG=a=b'c\"d\n", Options{}, []string{"A=1", "B=x y", "C=l1\nl2 \\n $X", "D=a\nb\t\"\\$!\\d", "E=", "F=", "G=a=b'c\"d"}},
		{"dotenv CRLF, no newline at the end", "dotenv", "A=1\r\nB='x\r\ny'\r\nC=\"z\"", Options{}, []string{"A=1", "B=x\ny", "C=z"}},
		{"chamber's dotenv", "dotenv", `DB_PASSWORD="p@\$\$ \` + "`w0rd\\`" + ` \"q\" \\ <&>"` + "\nPEM=\"line1\\nline2\\n\"\n", Options{}, []string{"DB_PASSWORD=p@$$ `w0rd` \"q\" \\ <&>", "PEM=line1\nline2\n"}},
		{"csv", "csv", "a,1.0\r\nb,\"x \"\"y\"\"\r\nz\"\r\n\nc,\nd,a\"b", Options{}, []string{"a=1.0", "b=x \"y\"\r\nz", "c=", "d=a\"b"}},
		{"tsv", "tsv", "a\t1,2\nb\t\"x\ty\"\n", Options{}, []string{"a=1,2", "b=x\ty"}},
		{"properties", "properties", "# c\n! c \\\na = 1.0\nb:x\\\n    y\nc z\nd\n  e=\\ x\\u00e9\\ud83d\\ude00\\q\\:\nf==\r\ng=\\\\\nh=x\\\n#y\ni=\\", Options{}, []string{"a=1.0", "b=xy", "c=z", "d=", "e= xé😀q:", "f==", "g=\\", "h=x#y", "i="}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := decode(test.body, test.format, test.o)
			if diff := cmp.Diff(test.want, got); diff != "" || err != nil {
				t.Errorf("%v (-want +got)\n%s", err, diff)
			}
		})
	}
}

// refusedFiles are files that are not decoded, all with the canary cAnArY! where a value or a key can stand.
var refusedFiles = []struct {
	name, format, body string
	o                  Options
	want               string // within the error
}{
	{"json list", "json", "{\n\"a\":[\"cAnArY!\"]}", Options{}, "line 2, a: lists"},
	{"json null", "json", `{"a":null}`, Options{}, "line 1, a: null"},
	{"json map", "json", "{\n\"a\":{\n\"b\":\"cAnArY!\"}}", Options{}, "line 2, a: nested maps aren't supported"},
	{"json list in a map", "json", "{\"a\":{\n\"b\":[]}}", Options{Flatten: "."}, "line 2, a.b: lists"},
	{"json twice", "json", "{\"a\":\"cAnArY!\",\n\n\"a\":\"2\"}", Options{}, "a is on line 1 and again on line 3"},
	{"json map twice", "json", "{\"a\":{\"b\":1},\n\"a\":{\"c\":1}}", Options{Flatten: "."}, "a is on line 1 and again on line 2"},
	{"json paths that meet", "json", "{\"a\":{\"b\":1},\n\"a_b\":2}", Options{Flatten: "_"}, "a_b is on line 1 and again on line 2"},
	{"json cut off", "json", "{\"a\":\"cAnArY!\",\n\"b", Options{}, "line 2: it is not valid JSON"},
	{"json wrong", "json", "{\"a\":cAnArY!}", Options{}, "line 1: it is not valid JSON"},
	{"json lone surrogate", "json", `{"a":"\ud800cAnArY!"}`, Options{}, "line 1: an escape \\u is half of a surrogate pair"},
	{"json leading zero", "json", "{\"a\":0123}", Options{}, "it is not valid JSON"},
	{"json array", "json", `["cAnArY!"]`, Options{}, "not a JSON object"},
	{"json two", "json", "{}\n{\"a\":\"cAnArY!\"}", Options{}, "there is text after"},
	{"json NUL", "json", `{"a":"cAnArY!\u0000"}`, Options{}, "line 1, a: the value has a NUL"},
	{"json bad key", "json", "{\"a cAnArY!\":1}", Options{}, "line 1, ?: a key has letters"},
	{"json bad path", "json", "{\"x\":{\"cAnArY!\":{\"y\":[]}}}", Options{Flatten: "."}, "x.?.y: lists"},
	{"json deep", "json", strings.Repeat(`{"a":`, 100) + "1" + strings.Repeat("}", 100), Options{Flatten: "."}, "nested more than"},
	{"json latin1", "json", "{\n\"a\":\"cAnArY!\xe9\"}", Options{}, "line 2: the file is not UTF-8"},
	{"utf-16", "json", "\xff\xfe{\x00}\x00", Options{}, "UTF-16"},
	{"yaml list", "yaml", "a: x\nb:\n  - cAnArY!\n", Options{}, "line 2, b: lists"},
	{"yaml null", "yaml", "a:\n", Options{}, "line 1, a: null"},
	{"yaml tilde", "yaml", "a: ~\n", Options{}, "line 1, a: null"},
	{"yaml map", "yaml", "a:\n  b: cAnArY!\n", Options{}, "line 1, a: nested maps aren't supported"},
	{"yaml twice", "yaml", "a: cAnArY!\nb: 1\na: 2\n", Options{}, "a is on line 1 and again on line 3"},
	{"yaml binary", "yaml", "a: !!binary Y0FuQXJZIQ==\n", Options{}, "line 1, a: tags"},
	{"yaml custom tag", "yaml", "a: !Ref cAnArY!\n", Options{}, "line 1, a: tags"},
	{"yaml merge", "yaml", "x: &x {b: cAnArY!}\ny:\n  <<: *x\n", Options{Flatten: "_"}, "merge key"},
	{"yaml two documents", "yaml", "a: 1\n---\nb: cAnArY!\n", Options{}, "second document"},
	{"yaml scalar", "yaml", "cAnArY!\n", Options{}, "not a map"},
	{"yaml wrong", "yaml", "a: x\nb: \"cAnArY!\n", Options{}, "it is not valid YAML"},
	{"yaml unknown alias", "yaml", "a: *cAnArY\n", Options{}, "it is not valid YAML"},
	{"yaml key is a list", "yaml", "? [cAnArY!]\n: x\n", Options{}, "a key is not plain text"},
	{"yaml bomb", "yaml", bomb(), Options{Flatten: "."}, "expands to more than"},
	{"yaml cycle", "yaml", "a: &a\n  b: *a\n", Options{Flatten: "."}, "nested more than"},
	{"toml list", "toml", "a = 1\nb = [\"cAnArY!\"]\n", Options{}, "line 2, b: lists"},
	{"toml list of tables", "toml", "[[a]]\nb = 'cAnArY!'\n", Options{Flatten: "."}, "line 1, a: lists"},
	{"toml table", "toml", "a = 1\n[b]\nc = 'cAnArY!'\n", Options{}, "line 2, b: nested maps aren't supported"},
	{"toml dotted", "toml", "a.b = 'cAnArY!'\n", Options{}, "line 1, a: nested maps aren't supported"},
	{"toml twice", "toml", "a = 'cAnArY!'\n\na = 2\n", Options{}, "a is on line 1 and again on line 3"},
	{"toml table twice", "toml", "[a]\nb = 1\n[a]\nc = 2\n", Options{Flatten: "."}, "a is on line 1 and again on line 3"},
	{"toml value and table", "toml", "a = 'cAnArY!'\n[a]\nb = 1\n", Options{Flatten: "."}, "a is on line 1 and again on line 2"},
	{"toml table and value", "toml", "a.b = 1\na = 'cAnArY!'\n", Options{Flatten: "."}, "a is on line 1 and again on line 2"},
	{"toml wrong", "toml", "a = 1\nb = cAnArY!\n", Options{}, "line 2: it is not valid TOML"},
	{"toml leading zero", "toml", "a = 1\nb = 0123\n", Options{}, "line 2: it is not valid TOML"},
	{"toml open string", "toml", "a = 1\nb = \"cAnArY!\n", Options{}, "line 2: it is not valid TOML"},
	{"dotenv no equals", "dotenv", "A=1\ncAnArY!\n", Options{}, `line 2: there is no "="`},
	{"dotenv bad key", "dotenv", "cAnArY! x=1\n", Options{}, "line 1, ?: a key has letters"},
	{"dotenv open quote", "dotenv", "A=1\nB='cAnArY!\nC=2\n", Options{}, "line 2, B: a quote is not closed"},
	{"dotenv after quote", "dotenv", "A='it\\'cAnArY!'\n", Options{}, "line 1, A: text follows"},
	{"dotenv backtick", "dotenv", "A=`cAnArY!`\n", Options{}, "line 1, A: readers differ"},
	{"dotenv hash", "dotenv", "A=cAnArY!#x\n", Options{}, "line 1, A: readers differ"},
	{"dotenv leading hash", "dotenv", "A=#cAnArY!\n", Options{}, "line 1, A: readers differ"},
	{"dotenv CR", "dotenv", "A=x\rB=cAnArY!\n", Options{}, "a carriage return"},
	{"dotenv CR in quotes", "dotenv", "A='x\rcAnArY!'\n", Options{}, "line 1, A: a carriage return"},
	{"dotenv twice", "dotenv", "A='cAnArY!\n'\nexport A=2\n", Options{}, "A is on line 1 and again on line 3"},
	{"csv one field", "csv", "a,1\ncAnArY!\n", Options{}, "line 2: a row must have two fields"},
	{"csv three fields", "csv", "a,\"1\n2\"\nb,cAnArY!,x\n", Options{}, "line 3: a row must have two fields"},
	{"csv open quote", "csv", "a,1\nb,\"cAnArY!\n", Options{}, "line 2: a quote is not closed"},
	{"csv after quote", "csv", "a,\"x\"cAnArY!\n", Options{}, "line 1: text follows"},
	{"csv CR", "csv", "a,x\rb,cAnArY!\n", Options{}, "line 1: a carriage return"},
	{"csv twice", "csv", "a,\"cAnArY!\n\"\na,2\n", Options{}, "a is on line 1 and again on line 3"},
	{"csv no key", "csv", ",cAnArY!\n", Options{}, "line 1"},
	{"properties twice", "properties", "a=cAnArY!\\\n  x\n#\na=2\n", Options{}, "a is on line 1 and again on line 4"},
	{"properties surrogate", "properties", "a=1\nb=\\ud800cAnArY!\n", Options{}, `line 2, b: an escape \u`},
	{"properties escape", "properties", "a=\\u1 cAnArY!\n", Options{}, `line 1, a: an escape \u`},
	{"properties NUL", "properties", "a=cAnArY!\\u0000\n", Options{}, "line 1, a: the value has a NUL"},
	{"too large a value", "csv", "a,cAnArY!" + strings.Repeat("x", store.MaxValue) + "\n", Options{}, "line 1, a: the value is larger"},
}

func TestDecodeTellsWhereAndNeverWhat(t *testing.T) {
	for _, test := range refusedFiles {
		t.Run(test.name, func(t *testing.T) {
			pairs, err := decode(test.body, test.format, test.o)
			if err == nil || !strings.Contains(err.Error(), test.want) || !errors.Is(err, store.ErrInvalid) {
				t.Errorf("%d pairs, error %v; want %q", len(pairs), err, test.want)
			}
			if err != nil && (strings.Contains(err.Error(), "cAnArY") || pairs != nil) {
				t.Errorf("%d pairs, and the error quotes the file: %v", len(pairs), err)
			}
		})
	}
}

// bomb is YAML whose aliases unfold to 10^9 values.
func bomb() string {
	var b strings.Builder
	b.WriteString("a0: &a0 {x: v}\n")
	for i := 1; i < 10; i++ {
		at, of := string(rune('0'+i)), string(rune('0'+i-1))
		b.WriteString("a" + at + ": &a" + at + " {")
		for j := range 10 {
			b.WriteString(string(rune('a'+j)) + ": *a" + of + ", ")
		}
		b.WriteString("}\n")
	}
	return b.String()
}

func TestDecodeReadsNoMoreThanItsLimit(t *testing.T) {
	_, err := Decode(io.LimitReader(zeroes{}, MaxInput+2), "json", Options{})
	var syntax *SyntaxError
	if !errors.As(err, &syntax) || !strings.Contains(err.Error(), "64 MiB") {
		t.Errorf("%v", err)
	}
}

type zeroes struct{}

func (zeroes) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestEscapedStringsOfChamberReadBackAsDotenv(t *testing.T) {
	var want []string
	for i, v := range values() {
		want = append(want, strings.ToUpper(strings.ReplaceAll(numbered(i), "-", "_"))+"="+v)
	}
	got, err := decode(string(encode(t, "shell-escaped", pairsOf(values(), numbered), Options{})), "dotenv", Options{})
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-written +read)\n%.2000s", err, diff)
	}
}

func TestWhatWeWriteWeRead(t *testing.T) {
	for _, format := range ImportNames() {
		carried := slices.DeleteFunc(values(), func(v string) bool { return !carries(t, format, "k", v) })
		pairs := pairsOf(carried, numbered)
		f, err := find(format, Names())
		if err != nil {
			t.Fatal(err)
		}
		entries, err := f.entries(pairs, single)
		if err != nil {
			t.Fatal(err)
		}
		var want []string
		for _, e := range entries {
			want = append(want, e.name+"="+e.value)
		}
		got, err := decode(string(encode(t, format, pairs, single)), format, Options{})
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%s: %v (-written +read)\n%.2000s", format, err, diff)
		}
	}
}
