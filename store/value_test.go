package store_test

import (
	"bytes"
	"encoding/gob"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"strings"
	"testing"
	"text/template"

	"go.yaml.in/yaml/v3"

	"github.com/coffer-secrets/coffer/store"
)

const canary = "canary-51ab"

// holder has values where fmt may call their methods, and where it may not.
type holder struct {
	Value   store.Value
	Pointer *store.Value
	Map     map[string]store.Value
	hidden  store.Value
	list    []store.Value
	secret  store.Secret
}

func TestAValueNeverPrintsItself(t *testing.T) {
	v := store.NewValue(canary)
	secret := store.Secret{Value: v}
	h := holder{v, &v, map[string]store.Value{"k": v}, v, []store.Value{v}, secret}
	things := map[string]any{
		"value": v, "pointer": &v, "list": []store.Value{v}, "map": map[string]store.Value{"k": v},
		"secret": secret, "contents": store.Contents{Secrets: []store.Secret{secret}}, "holder": h, "pointer to it": &h,
		"holders": []holder{h}, "error": fmt.Errorf("value %v: %w", v, errors.New("x")),
	}
	var told bytes.Buffer
	logger := log.New(&told, "", 0)
	texts, records := slog.New(slog.NewTextHandler(&told, nil)), slog.New(slog.NewJSONHandler(&told, nil))
	for name, thing := range things {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%c", "%U", "%e", "%10.3s", "%T", "%!", "%w"} {
			fmt.Fprintf(&told, verb+"\n", thing)
		}
		fmt.Fprintln(&told, thing)
		logger.Print(thing)
		texts.Info(name, "thing", thing)
		records.Info(name, "thing", thing)
		for _, encode := range []func(any) ([]byte, error){
			json.Marshal, yaml.Marshal, xml.Marshal, func(v any) ([]byte, error) { return json.MarshalIndent(v, "", " ") },
			func(v any) ([]byte, error) {
				var b bytes.Buffer
				err := gob.NewEncoder(&b).Encode(v)
				return b.Bytes(), err
			},
			func(v any) ([]byte, error) {
				var b bytes.Buffer
				err := template.Must(template.New("").Parse("{{.}} {{printf \"%v\" .}}")).Execute(&b, v)
				return b.Bytes(), err
			},
		} {
			text, err := encode(thing)
			told.Write(text)
			fmt.Fprintln(&told, err)
		}
		if strings.Contains(told.String(), canary) || strings.Contains(told.String(), fmt.Sprintf("%x", canary)) {
			t.Errorf("a value in a %s is told", name)
			told.Reset()
		}
	}
	if n := strings.Count(told.String(), "[redacted]"); n < 100 {
		t.Errorf("[redacted] was printed %d times", n)
	}
}

func TestAValueIsWhatItWasMadeOf(t *testing.T) {
	for _, text := range []string{"", canary, "a\x00b", "\xff", strings.Repeat("x", store.MaxValue)} {
		v := store.NewValue(text)
		if v.Reveal() != text || v.Len() != len(text) {
			t.Errorf("a value of %d bytes comes back with %d", len(text), v.Len())
		}
		if v != store.NewValue(strings.Clone(text)) {
			t.Errorf("two values of the same %d bytes differ", len(text))
		}
		if v == store.NewValue(text+"x") {
			t.Errorf("a value of %d bytes is another", len(text))
		}
	}
	if (store.Value{}) != store.NewValue("") || (store.Value{}).Reveal() != "" {
		t.Error("the zero value is not the empty one")
	}
}

func TestAValueThatCannotBeKeptIsRefused(t *testing.T) {
	for name, test := range map[string]struct {
		text string
		want string // in the error; "" for none
	}{
		"empty":     {"", ""},
		"text":      {"ä\n\t", ""},
		"largest":   {strings.Repeat("x", store.MaxValue), ""},
		"too large": {strings.Repeat("x", store.MaxValue+1), "larger than 1 MiB"},
		"NUL":       {canary + "\x00", "NUL at byte 11"},
		"not UTF-8": {canary + "ä\xff", "byte 13"},
	} {
		err := store.NewValue(test.text).Check()
		if (err == nil) != (test.want == "") || err != nil && (!errors.Is(err, store.ErrInvalid) || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%s: error %v, want one with %q", name, err, test.want)
		}
		if err != nil && strings.Contains(err.Error(), canary) {
			t.Errorf("%s: the error tells the value", name)
		}
	}
}
