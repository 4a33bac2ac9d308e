package mask

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/coffer-secrets/coffer/internal/testing/proof"
)

const mark = "***"

// masked runs pieces of output through a filter, with a pause after each if asked for.
func masked(t testing.TB, m *Matcher, pause bool, pieces ...string) (string, Hidden) {
	t.Helper()
	var out bytes.Buffer
	f := m.NewFilter(&out, mark)
	for _, p := range pieces {
		if n, err := f.Write([]byte(p)); n != len(p) || err != nil {
			t.Fatal(n, err)
		}
		if pause {
			if err := f.Pause(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return out.String(), f.Hidden()
}

// allForms returns what stands for the secrets.
func allForms(secrets []Secret) (all []string) {
	for _, s := range secrets {
		if len(s.Value) >= Shortest {
			hiding().forms(s.Value, func(form string, _ Form, _ bool) {
				if len(form) >= Shortest {
					all = append(all, form)
				}
			})
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// naive finds every form at every position, and returns what they cover: a pair for each mark.
func naive(all []string, text string) []match {
	var found []match
	for _, form := range all {
		for i := 0; i+len(form) <= len(text); i++ {
			at := strings.Index(text[i:], form)
			if at < 0 {
				break
			}
			i += at
			found = append(found, match{start: i, end: i + len(form)})
		}
	}
	return merge(found)
}

func merge(all []match) (hidden []match) {
	slices.SortFunc(all, func(a, b match) int { return cmp.Or(cmp.Compare(a.start, b.start), cmp.Compare(b.end, a.end)) })
	for _, n := range all {
		last := len(hidden) - 1
		switch {
		case last >= 0 && n.end <= hidden[last].end: // within another one
		case last >= 0 && n.start < hidden[last].end:
			hidden[last].end = n.end
		default:
			hidden = append(hidden, n)
		}
	}
	return hidden
}

// isMasked reports whether an output is the text with a mark for each hidden part, before which some
// bytes of that part may be seen.
func isMasked(out, text string, hidden []match, shown int) bool {
	return isMaskedFrom(0, out, text, hidden, shown)
}

func isMaskedFrom(at int, out, text string, hidden []match, shown int) bool {
	if len(hidden) == 0 {
		return out == text[at:]
	}
	n := hidden[0]
	rest, ok := strings.CutPrefix(out, text[at:n.start])
	for k := 0; ok && k <= min(shown, n.end-n.start-1); k++ {
		after, ok := strings.CutPrefix(rest, text[n.start:n.start+k]+mark)
		if ok && isMaskedFrom(n.end, after, text, hidden[1:], shown) {
			return true
		}
	}
	return false
}

// split cuts a text at random places.
func split(r *rand.Rand, text string) (pieces []string) {
	for text != "" {
		n := 1 + r.IntN(len(text))
		if r.IntN(2) == 0 {
			n = min(n, 1+r.IntN(4))
		}
		pieces, text = append(pieces, text[:n]), text[n:]
	}
	return pieces
}

func FuzzTheFilterAgainstANaiveOne(f *testing.F) {
	f.Add("abcd\xffcdef\xffabcdefgh", "xabcdefabcdefghabc", uint64(1))
	f.Add("aaaa\xffaaaaab", "aaaaaaaaaaaaaaabaaa", uint64(2))
	f.Add("line one\nline two\xffline", "line one\r\nline two line", uint64(3))
	f.Add("s3cr'et \"x\"", `s3cr'\''et "x" s3cr'et \"x\" czNjcidldCAieCI= 733363722765`, uint64(4))
	f.Fuzz(func(t *testing.T, values, text string, seed uint64) {
		var secrets []Secret
		for i, v := range strings.Split(values, "\xff") {
			secrets = append(secrets, Secret{fmt.Sprint(i), v})
		}
		r := rand.New(rand.NewPCG(seed, 0))
		m := New(secrets)
		hidden := naive(allForms(secrets), text)
		if got, _ := masked(t, m, false, split(r, text)...); !isMasked(got, text, hidden, 0) {
			t.Errorf("%q in %q: %q, not %v", values, text, got, hidden)
		}
		if got, _ := masked(t, m, true, split(r, text)...); !isMasked(got, text, hidden, mostShown) {
			t.Errorf("%q in %q: with pauses %q, not %v", values, text, got, hidden)
		}
	})
}

// randomValue is often short, of few letters, or of what has to be escaped.
func randomValue(r *rand.Rand) string {
	alphabet := []string{"ab", "abcdefghijklmnopqrstuvwxyz0123456789", "ab'\"\\ $&<>/+%\n\t", "aé€😀\x01\n", "+/=-_AQgw"}[r.IntN(5)]
	runes := []rune(alphabet)
	n := Shortest + r.IntN(12)
	if r.IntN(8) == 0 {
		n += r.IntN(150)
	}
	var out strings.Builder
	for range n {
		out.WriteRune(runes[r.IntN(len(runes))])
	}
	return out.String()
}

// TestMaskHidesAValueHoweverItIsSplit writes random outputs that contain a form of a value, in
// random pieces.
func TestMaskHidesAValueHoweverItIsSplit(t *testing.T) {
	const each = 100 // outputs for one set of secrets
	outputs, misses := 0, 0
	for seed := range uint64(proof.Bounded(200, 10_000)) {
		r := rand.New(rand.NewPCG(seed, 7))
		var secrets []Secret
		for i := range 1 + r.IntN(4) {
			secrets = append(secrets, Secret{fmt.Sprint(i), randomValue(r)})
		}
		m, all := New(secrets), allForms(secrets)
		for range each {
			before, form, after := randomValue(r), all[r.IntN(len(all))], randomValue(r)
			text := before + form + after
			shown := 0
			pause := r.IntN(2) == 0
			if pause {
				shown = mostShown
			}
			got, _ := masked(t, m, pause, split(r, text)...)
			outputs++
			if hidden := naive(all, text); !isMasked(got, text, hidden, shown) {
				misses++
				t.Errorf("seed %d: %q in %q leaves %q, not %v", seed, form, text, got, hidden)
			}
		}
	}
	t.Logf("%d outputs, %d misses", outputs, misses)
}

func TestMaskCountsWhatItHides(t *testing.T) {
	m := New([]Secret{{"api/password", "hunter2hunter2"}, {"api/token", "tok-12345"}, {"web/password", "hunter2hunter2"}, {"api/pin", "123"}})
	got, hidden := masked(t, m, false, "a hunter2hunter2 tok-12345 123 tok-12345\n")
	if want := "a *** *** 123 ***\n"; got != want {
		t.Errorf("%q, not %q", got, want)
	}
	if hidden.Marks != 3 || hidden.Secrets["api/token"] != 2 || hidden.Secrets["api/password = web/password"] != 1 || len(hidden.Secrets) != 2 {
		t.Errorf("%+v", hidden)
	}
}

func TestMaskWritesOneMarkWhereSecretsOverlap(t *testing.T) {
	m := New([]Secret{{"a", "abcd"}, {"b", "cdef"}, {"c", "abcdefgh"}})
	for text, want := range map[string]string{
		"xabcdefx": "x***x", "xabcdefghx": "x***x", "abcdabcd": "******", "xcdefx": "x***x", "abcdefg": "***g",
	} {
		if got, _ := masked(t, m, false, text); got != want {
			t.Errorf("%q: %q, not %q", text, got, want)
		}
	}
}

func TestWhatCannotBecomeASecretLeavesAtOnce(t *testing.T) {
	m := New([]Secret{{"a", "swordfish-1234567"}, {"b", "\n  hidden lines\nof a key\n"}})
	var out bytes.Buffer
	f := m.NewFilter(&out, mark)
	for _, c := range []struct{ text, want string }{
		{"Password: ", "Password: "},
		{"line\n", "line\n"},
		{"pass", "pas"}, // an s may be the first byte
		{"!", "s!"},     // it wasn't
		{"sword", ""},   // so may this
		{"fight", "swordfight"},
		{"swordfish-1234567", mark},
		{"> ", "> "},
	} {
		if _, err := f.Write([]byte(c.text)); err != nil {
			t.Fatal(err)
		}
		if got := out.String(); got != c.want {
			t.Errorf("after %q: %q, not %q", c.text, got, c.want)
		}
		out.Reset()
	}
}

func TestAPauseShowsWhatIsTypedAndNoSecret(t *testing.T) {
	m := New([]Secret{{"long", "swordfish-1234567"}, {"short", "yes!"}, {"part", "swordfish-12"}})
	var out bytes.Buffer
	f := m.NewFilter(&out, mark)
	for _, c := range []struct{ text, want string }{
		{"s", "s"},
		{"w", "w"},
		{"o", "o"},
		{"r", ""},
		{"m", "rm"}, // typed: a pause after each
		{" y", " y"},
		{"e", ""},
		{"t", "et"},
		{" yes!", " " + mark},
		{" sword", " "},
		{"fish-12345", mark},
		{"67", ""},
		{"x", "x"},
	} {
		_, err := f.Write([]byte(c.text))
		if err = errors.Join(err, f.Pause()); err != nil {
			t.Fatal(err)
		}
		if got := out.String(); got != c.want {
			t.Errorf("after %q: %q, not %q", c.text, got, c.want)
		}
		out.Reset()
	}
}

func TestAFilterTellsThatItsWriterFailed(t *testing.T) {
	r, w := io.Pipe()
	r.CloseWithError(io.ErrShortBuffer)
	if _, err := New(nil).NewFilter(w, mark).Write([]byte("text")); !errors.Is(err, io.ErrShortBuffer) {
		t.Error(err)
	}
}

// BenchmarkFilter runs logs through the forms of 500 secrets.
func BenchmarkFilter(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 1))
	letters := "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	var secrets []Secret
	for i := range 500 {
		v := make([]byte, 16+r.IntN(33))
		for j := range v {
			v[j] = letters[r.IntN(len(letters))]
		}
		secrets = append(secrets, Secret{fmt.Sprint(i), string(v)})
	}
	var logs, random bytes.Buffer
	for i := range 10_000 {
		fmt.Fprintf(&logs, "2026-11-28T07:%02d:%02d.%03dZ INFO request id=%016x method=GET path=/api/v1/users/%d status=200 duration=%dms\n",
			i/60%60, i%60, i%1000, r.Uint64(), r.IntN(10000), r.IntN(500))
		if i%100 == 0 {
			fmt.Fprintf(&logs, "password=%s\n", secrets[r.IntN(500)].Value)
		}
		for range 100 {
			random.WriteByte(letters[r.IntN(len(letters))])
		}
	}
	m := New(secrets)
	for name, text := range map[string][]byte{"logs": logs.Bytes(), "letters": random.Bytes()} {
		b.Run(name, func(b *testing.B) {
			f := m.NewFilter(io.Discard, mark)
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				for part := range slices.Chunk(text, 32<<10) {
					if _, err := f.Write(part); err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
	b.Run("build", func(b *testing.B) {
		for b.Loop() {
			New(secrets)
		}
	})
}

// TestAFilterUsesOtherSecrets: but not within one, which would show its end.
func TestAFilterUsesOtherSecrets(t *testing.T) {
	before, after := New([]Secret{{"api/k", "old-password"}}), New([]Secret{{"api/k", "new-password"}})
	var out bytes.Buffer
	f := before.NewFilter(&out, mark)
	for _, step := range []struct {
		text string
		used bool
	}{{"a old-pass", false}, {"word b ", true}, {"old-password new-pass", false}, {"word", true}} {
		if _, err := f.Write([]byte(step.text)); err != nil {
			t.Fatal(err)
		}
		if used := f.Use(after); used != step.used {
			t.Errorf("after %q the others are used: %v", step.text, used)
		}
	}
	if err := f.Close(); err != nil || out.String() != "a *** b old-password ***" {
		t.Errorf("the output is %q, error %v", &out, err)
	}
}

// TestAnOutputThatIsCutOffShowsNoPartOfASecret ends the output after each byte of each form.
func TestAnOutputThatIsCutOffShowsNoPartOfASecret(t *testing.T) {
	secrets := []Secret{{"long", "swordfish-1234567"}, {"part", "fish"}, {"lines", "first line\nsecond line\n"}}
	m := New(secrets)
	for _, form := range allForms(secrets) {
		for n := range len(form) + 1 {
			var out bytes.Buffer
			f := m.NewFilter(&out, mark)
			_, err := f.Write([]byte("> " + form[:n]))
			if err = errors.Join(err, f.Cut()); err != nil {
				t.Fatal(err)
			}
			rest, ok := strings.CutPrefix(out.String(), "> ")
			shown := strings.ReplaceAll(rest, mark, "")
			if !ok || n == 0 && rest != "" || len(shown) > mostShown {
				t.Errorf("%q of %q: %q", form[:n], form, out.String())
			}
			if n == len(form) && (f.Hidden().Marks == 0 || f.Keeps()) {
				t.Errorf("%q: %+v, keeps %v", form, f.Hidden(), f.Keeps())
			}
		}
	}
}
