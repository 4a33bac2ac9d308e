package run

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coffer-secrets/coffer/environ"
	"github.com/coffer-secrets/coffer/internal/app"
	"github.com/coffer-secrets/coffer/internal/pace"
	"github.com/coffer-secrets/coffer/store"
)

func newApp() *app.App {
	return &app.App{Globals: &app.Globals{}, Now: time.Now, Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Restore: func() {}}
}

// TestAProgramThatEndsAsItsSecretsChange: however the two fall together, the end counts once: the status
// is that of the last run, and a restart has the new values.
func TestAProgramThatEndsAsItsSecretsChange(t *testing.T) {
	for i := range 60 {
		file := filepath.Join(t.TempDir(), "runs")
		changes, done := make(chan environ.Environment), make(chan bool)
		go func() {
			if pace.Sleep(t.Context(), time.Duration(i)*100*time.Microsecond) != nil {
				return
			}
			select {
			case changes <- environ.Environment{{Name: "K", Value: store.NewValue("two")}}:
			case <-done:
			}
		}()
		cleaned := 0
		p := &Parent{Changes: changes, Grace: 10 * time.Second, Cleanup: func() { cleaned++ }}
		err := p.Run(newApp(), "/bin/sh", []string{"sh", "-c", "trap 'exit 5' TERM; echo $K >>" + file + "; [ $K = two ] && exit 6; exit 7"}, environ.Environment{{Name: "K", Value: store.NewValue("one")}})
		close(done)
		var exit *app.ExitError
		text, _ := os.ReadFile(file)
		want := map[int]string{7: "one\n", 6: "one\ntwo\n"}
		if !errors.As(err, &exit) || string(text) != want[exit.Code] && string(text) != strings.TrimPrefix(want[exit.Code], "one\n") || cleaned != 1 {
			t.Errorf("%d: error %v, runs %q, cleaned up %d times", i, err, text, cleaned)
		}
	}
}

func TestAParentCleansUpBehindWhatCantBeStarted(t *testing.T) {
	cleaned := false
	err := (&Parent{Cleanup: func() { cleaned = true }}).Run(newApp(), "/no/such/program", []string{"x"}, nil)
	var exit *app.ExitError
	if !errors.As(err, &exit) || exit.Code != app.ExitNoCommand || !cleaned {
		t.Errorf("error %v, cleaned up: %v", err, cleaned)
	}
}
