package agekeys_test

import (
	"strings"
	"testing"
	"time"

	"filippo.io/age/plugin"

	"github.com/coffer-secrets/coffer/store/internal/seal/agekeys"
)

// withPlugin returns a keyring with the identity of a plugin.
func withPlugin(t *testing.T, name string, ui agekeys.UI) *agekeys.Keyring {
	t.Helper()
	return agekeys.New(agekeys.Options{Text: plugin.EncodeIdentity(name, nil), From: "$COFFER_AGE_IDENTITY", UI: ui})
}

func recipientOf(name string) string { return plugin.EncodeRecipient(name, []byte("x")) }

func TestAPluginThatIsMissingOrFailsOrHangsEndsWithTheReason(t *testing.T) {
	installPlugins(t, "echo", "fail", "garbage", "hang", "ask")
	sealed := seal(t, recipientOf("echo"))
	for name, want := range map[string]string{
		"nowhere": "age-plugin-nowhere is not installed",
		"fail":    "no token is plugged in",
		"garbage": "age-plugin-garbage failed",
		"hang":    "age-plugin-hang did nothing for 200ms",
		"ask":     `age-plugin-ask asks "PIN", and nobody can be asked: there is no terminal`,
	} {
		wait := time.Minute
		if name == "hang" {
			wait = 200 * time.Millisecond
		}
		k := withPlugin(t, name, agekeys.UI{Wait: wait})
		for range 2 { // the second time without running it
			if _, err := open(k, sealed); !strings.Contains(agekeys.Failure(err), want) {
				t.Errorf("%s: %v, failure %q; want %q", name, err, agekeys.Failure(err), want)
			}
		}
	}
}

func TestAPluginsQuestionReachesThePersonAndItsClockWaitsForThem(t *testing.T) {
	installPlugins(t, "ask", "hang")
	sealed := seal(t, recipientOf("ask"))
	const wait = 2 * time.Second // of the program's start
	var prompts []string
	k := withPlugin(t, "ask", agekeys.UI{Wait: wait, Secret: func(prompt string) (string, error) {
		prompts = append(prompts, prompt)
		if _, err := open(withPlugin(t, "hang", agekeys.UI{Wait: wait}), sealed); err == nil { // it takes as long as a plugin may
			t.Error("a plugin that hangs has opened a file")
		}
		return "1234", nil
	}})
	if text, err := open(k, sealed); text != body || err != nil {
		t.Errorf("%q, %v, failure %q", text, err, agekeys.Failure(err))
	}
	if len(prompts) != 1 || prompts[0] != "age-plugin-ask: PIN: " {
		t.Errorf("asked %q", prompts)
	}
}

func TestAnInterruptEndsTheWaitForAPlugin(t *testing.T) {
	installPlugins(t, "hang", "echo")
	done := make(chan struct{})
	close(done)
	_, err := open(withPlugin(t, "hang", agekeys.UI{Done: done}), seal(t, recipientOf("echo")))
	if want := "interrupted while waiting for age-plugin-hang"; agekeys.Failure(err) != want {
		t.Errorf("%v, failure %q; want %q", err, agekeys.Failure(err), want)
	}
}

func TestSealingToAPluginThatIsMissingSaysWhich(t *testing.T) {
	installPlugins(t)
	r, err := agekeys.ParseRecipient(recipientOf("nowhere"), agekeys.UI{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Wrap(make([]byte, 16)); err == nil || !strings.Contains(err.Error(), "age-plugin-nowhere is not installed") {
		t.Errorf("%v; want that it is not installed", err)
	}
}
