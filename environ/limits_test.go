package environ

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/coffer-secrets/coffer/store"
)

// secret is a variable made of a secret, with a value of n bytes.
func secret(name string, n int) Variable {
	value := strings.Repeat(canary, n/len(canary)+1)[:n]
	return Variable{Name: name, Value: store.NewValue(value), Service: "api", Key: strings.ToLower(name)}
}

func TestCheckCountsANameWithItsValue(t *testing.T) {
	l := Limits{Bytes: 100}
	if err := Check("/bin/true", []string{"true"}, Environment{secret("NAME", 95)}, l); err != nil {
		t.Errorf("100 bytes: %v", err)
	}
	err := Check("/bin/true", []string{"true"}, Environment{secret("OK", 5), secret("NAME", 96)}, l)
	var size *SizeError
	if !errors.As(err, &size) || !errors.Is(err, store.ErrInvalid) {
		t.Fatalf("error is %v", err)
	}
	if diff := cmp.Diff(&SizeError{Service: "api", Key: "name", Name: "NAME", Size: 101, Limit: 100}, size); diff != "" {
		t.Error(diff)
	}
	if text := err.Error(); strings.Contains(text, canary) || !strings.Contains(text, `"api/name"`) || !strings.Contains(text, "101") {
		t.Errorf("text is %q", text)
	}
}

func TestCheckNamesALongArgumentByItsNumber(t *testing.T) {
	err := Check("/bin/true", []string{"true", canary + strings.Repeat("x", 100)}, nil, Limits{Bytes: 100})
	var size *SizeError
	if !errors.As(err, &size) || size.Argument != 1 || size.Name != "" || strings.Contains(err.Error(), canary) {
		t.Errorf("error is %v", err)
	}
}

func TestCheckCountsUTF16UnitsWhereTheSystemDoes(t *testing.T) {
	l := Limits{Units: 10}
	for value, ok := range map[string]bool{
		strings.Repeat("é", 8):  true, // 16 bytes
		strings.Repeat("é", 9):  false,
		strings.Repeat("😀", 4):  true, // a pair each
		strings.Repeat("😀", 5):  false,
		strings.Repeat("x", 8):  true,
		strings.Repeat("x", 9):  false,
		strings.Repeat("🚀x", 3): false,
	} {
		err := Check("p", nil, Environment{{Name: "N", Value: store.NewValue(value), Key: "n"}}, l)
		if (err == nil) != ok {
			t.Errorf("%d bytes: %v", len(value), err)
		}
	}
}

func TestCheckRefusesNULAndNamesTheKey(t *testing.T) {
	v := Variable{Name: "N", Value: store.NewValue(canary + "\x00"), Service: "api", Key: "n"}
	inherited := Variable{Name: "P", Value: store.NewValue("\x00")}
	err := Check("p", nil, Environment{v, inherited}, Limits{})
	var (
		nul *NULError
		all Problems
	)
	if !errors.As(err, &nul) || nul.Key != "n" || !errors.As(err, &all) || len(all) != 2 || !errors.Is(err, store.ErrInvalid) {
		t.Fatalf("error is %v", err)
	}
	if text := err.Error(); strings.Contains(text, canary) || strings.Contains(text, "\x00") || !strings.Contains(text, `"P" of the parent`) {
		t.Errorf("text is %q", text)
	}
}

func TestCheckCountsEverythingAndNamesTheLargest(t *testing.T) {
	env := Environment{secret("A", 10), secret("B", 60), secret("C", 50), secret("D", 40), secret("E", 30), secret("F", 20), {Name: "HOME", Value: store.NewValue(strings.Repeat("h", 55))}}
	argv := []string{"true", "-x"}
	// The path, two arguments and seven variables, a NUL and a pointer each (none for the path).
	total := (9 + 1) + (4 + 1 + 8) + (2 + 1 + 8) + (10 + 60 + 50 + 40 + 30 + 20) + 6*(2+1+8) + (60 + 1 + 8)
	if err := Check("/bin/true", argv, env, Limits{Total: total, Pointer: 8}); err != nil {
		t.Errorf("exactly the limit: %v", err)
	}
	err := Check("/bin/true", argv, env, Limits{Total: total - 1, Pointer: 8})
	var over *TotalError
	if !errors.As(err, &over) || !errors.Is(err, store.ErrInvalid) {
		t.Fatalf("error is %v", err)
	}
	want := &TotalError{Size: total, Limit: total - 1, Largest: []Sized{
		{"api", "b", "B", 62}, {"", "", "HOME", 60}, {"api", "c", "C", 52}, {"api", "d", "D", 42}, {"api", "e", "E", 32},
	}}
	if diff := cmp.Diff(want, over); diff != "" {
		t.Error(diff)
	}
	if text := err.Error(); strings.Contains(text, canary) || !strings.Contains(text, `B (from "api/b") 62`) {
		t.Errorf("text is %q", text)
	}
}
