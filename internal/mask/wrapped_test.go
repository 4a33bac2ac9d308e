package mask

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// TestFormsThatAreBrokenIntoLinesAreFound: values of any length, at any position, however the stream is cut.
func TestFormsThatAreBrokenIntoLinesAreFound(t *testing.T) {
	const alphabet = "canary-5c4n/q8Zt+W2v_Lm0Kx9Rb7Hd3Jf6Gp1Ns4Yc?Ue:Ai"
	for size := 8; size <= len(alphabet); size += 3 {
		value := alphabet[:size]
		m := NewToFind([]Secret{{Name: "api/key", Value: value}}, 8)
		for before := range 80 {
			data := []byte(strings.Repeat("#", before) + value + strings.Repeat("#", 90))
			for _, text := range []string{base64.StdEncoding.EncodeToString(data), base64.URLEncoding.EncodeToString(data), hex.EncodeToString(data)} {
				width := []int{48, 60, 64, 76}[before%4]
				for _, end := range []string{"\n", "\r\n", "\n    "} {
					whole := "x: y\n" + broke(text, width, end)
					for _, cut := range []int{len(whole), 1, 7} {
						if !slices.ContainsFunc(foundIn(m, whole, cut), func(m Match) bool { return m.Form == Base64 || m.Form == Hex }) {
							t.Fatalf("%d bytes after %d, lines of %d that end in %q, cut at %d: not found in %q", size, before, width, end, cut, whole)
						}
					}
				}
			}
		}
	}
}

// TestABrokenFormHasItsPlace, and what doesn't look broken by a program is not joined.
func TestABrokenFormHasItsPlace(t *testing.T) {
	value := "canary-5c4n-word"
	m := NewToFind([]Secret{{Name: "api/key", Value: value}}, 8)
	text := hex.EncodeToString([]byte(value))
	line := strings.Repeat("0", 40)
	for _, c := range []struct{ text, want string }{
		{"a\n" + line + text[:9] + "\n" + text[9:] + "\n", "hex 42-75 2-3"},
		{"a\n" + line + text[:9] + "\r\n  " + text[9:] + "\r\n", "hex 42-78 2-3"},
		{"a\n" + line[1:] + text[:8] + "\n" + text[8:] + "\n", ""},
		{"a\n" + line + text[:9] + "\n." + text[9:] + "\n", ""},
		{line + text[:9] + "\n" + line + text + "\n" + value, "hex 90-122 2-2, value 123-139 3-3"},
	} {
		for _, cut := range []int{len(c.text), 1, 50} {
			var got []string
			for _, m := range foundIn(m, c.text, cut) {
				got = append(got, fmt.Sprintf("%s %d-%d %d-%d", m.Form, m.Start, m.End, m.Line, m.Last))
			}
			if strings.Join(got, ", ") != c.want {
				t.Errorf("%q, cut at %d: %q, not %q", c.text, cut, got, c.want)
			}
		}
	}
}

func broke(text string, width int, end string) string {
	var out strings.Builder
	for part := range slices.Chunk([]byte(text), width) {
		out.Write(part)
		out.WriteString(end)
	}
	return out.String()
}

func foundIn(m *Matcher, text string, cut int) (all []Match) {
	f := m.NewFinder(func(m Match) { all = append(all, m) })
	for piece := range slices.Chunk([]byte(text), cut) {
		_, _ = f.Write(piece)
	}
	return all
}
