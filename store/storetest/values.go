package storetest

import (
	"fmt"
	"strings"

	"github.com/coffer-secrets/coffer/store"
)

type trickyValue struct{ name, text string }

// trickyValues are values that storages, encodings and shells are known to corrupt.
func trickyValues(limit int) []trickyValue {
	return []trickyValue{
		{"empty", ""},
		{"one space", " "},
		{"spaces around", "  padded  "},
		{"one newline", "\n"},
		{"newline at the end", "line\n"},
		{"newlines at the start", "\n\nline"},
		{"CR LF", "one\r\ntwo\r\n"},
		{"lone CR", "one\rtwo"},
		{"tabs", "a\tb\tc"},
		{"quotes", `"double" 'single' ` + "`back`"},
		{"backslashes", `C:\new\table \u0041 \\ \`},
		{"JSON", `{"key":"value","n":[1,null,true]}`},
		{"markup", "<a href=\"x\">&amp;</a> <!-- -->"},
		{"line separators", "a\u2028b\u2029c\u0085d"},
		{"emoji", "🔐👩‍👩‍👧‍👦🇨🇭"},
		{"composed and decomposed", "é e\u0301"},
		{"byte order mark", "\ufeffvalue"},
		{"right to left", "abc\u202egnp.exe"},
		{"control characters", "\x01\x07\x08\x1b[31mred\x1b[0m\x7f"},
		{"replacement character", "\ufffd"},
		{"last code point", "\U0010ffff\ufffe"},
		{"template", "{{ssm:other}} ${HOME} $(id) %s %d"},
		{"shell", "; rm -rf \"$HOME\" & | > < * ? !"},
		{"PEM", "-----BEGIN KEY-----\n" + strings.Repeat("MIIB"+strings.Repeat("A", 60)+"\n", 20) + "-----END KEY-----\n"},
		{"null", "null"},
		{"number", "0123"},
		{"redacted", "[redacted]"},
		{"URL", "postgres://u:p%40ss@db.example.com:5432/x?sslmode=require#f"},
		{"4 KiB", strings.Repeat("0123456789abcdef", 4<<10/16)},
		{"64 KiB", strings.Repeat("0123456789abcdef", 64<<10/16)},
		{"as large as can be", strings.Repeat("x", limit)},
	}
}

// roundTrip writes a value and reads it back, byte for byte, with every method.
func roundTrip(text string) func(*session) {
	return func(s *session) {
		if len(text) > s.caps.MaxValue {
			s.Skipf("the value has %d bytes; the backend keeps %d", len(text), s.caps.MaxValue)
		}
		v := store.NewValue(text)
		if _, err := s.store.Write(s.ctx, s.id("key"), v, store.WriteOptions{}); err != nil {
			s.Fatal(err)
		}
		s.sameBytes("read", text)
		if r, err := s.store.Write(s.ctx, s.id("key"), v, store.WriteOptions{SkipUnchanged: true}); err != nil || r.Outcome != store.Unchanged {
			s.Errorf("the same value again: %s, error %v; want unchanged", r.Outcome, err)
		}
		if _, err := s.store.WriteAll(s.ctx, s.service, map[string]store.Value{"key": v}, store.WriteOptions{}); err != nil {
			s.Fatal(err)
		}
		s.sameBytes("read after WriteAll", text)
	}
}

func (s *session) sameBytes(how, text string) {
	s.Helper()
	got, err := s.store.Read(s.ctx, s.id("key"), store.Latest)
	if err != nil {
		s.Fatal(err)
	}
	contents, err := s.store.Load(s.ctx, s.service)
	if err != nil {
		s.Fatal(err)
	}
	if len(contents.Secrets) != 1 {
		s.Fatalf("load: %d secrets; want 1", len(contents.Secrets))
	}
	for from, v := range map[string]store.Value{how: got.Value, how + " (load)": contents.Secrets[0].Value} {
		if v.Reveal() != text {
			s.Errorf("%s: got %s, want %s", from, abbreviate(v.Reveal()), abbreviate(text))
		}
	}
}

// abbreviate quotes a value of the table above. These values aren't secret.
func abbreviate(text string) string {
	if len(text) > 80 {
		return fmt.Sprintf("%d bytes, %q...", len(text), text[:60])
	}
	return fmt.Sprintf("%q", text)
}

// refusedValue checks that a value is refused and nothing changes.
func refusedValue(text string) func(*session) {
	return func(s *session) {
		s.write("old", "one", store.WriteOptions{})
		for _, key := range []string{"new", "old"} {
			_, err := s.store.Write(s.ctx, s.id(key), store.NewValue(text), store.WriteOptions{})
			s.wantError(err, store.ErrInvalid)
		}
		s.wantSecret("old", store.Latest, "one", 1)
		s.wantLoad(map[string]string{"old": "one"})
	}
}
