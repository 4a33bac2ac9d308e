package progress_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/coffer-secrets/coffer/internal/progress"
)

func TestNothingIsDrawnInAFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "log")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	line := progress.New(f, time.Now, 2, "imported")
	line.Add()
	line.Add()
	line.Done()
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(name); err != nil || len(text) > 0 {
		t.Errorf("%q is written: %v", text, err)
	}
}
