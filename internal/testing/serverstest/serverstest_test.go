package serverstest

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestVersionsAreThoseThatMakeBuilds(t *testing.T) {
	makefile, err := os.ReadFile(filepath.Join("..", "..", "..", "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	for _, version := range []string{minioVersion, versityVersion, gofakes3Version, rcloneVersion} {
		if !strings.Contains(string(makefile), " "+version+"\n") {
			t.Errorf("the Makefile does not build %s", version)
		}
	}
	module, err := os.ReadFile(filepath.Join("servers", "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"github.com/johannesboyne/gofakes3 " + gofakes3Version, "github.com/rclone/rclone " + rcloneVersion} {
		if !strings.Contains(string(module), line+"\n") {
			t.Errorf("servers/go.mod does not have %s", line)
		}
	}
}

func TestServersAreFoundInTheFolderOfTools(t *testing.T) {
	tools := t.TempDir()
	t.Setenv(toolsVariable, tools)
	if path, err := binary("minio", "v1"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s: error %v, want %v", path, err, fs.ErrNotExist)
	}
	want := filepath.Join(tools, "minio@v1", "minio")
	if err := os.MkdirAll(want, 0o700); err != nil {
		t.Fatal(err)
	}
	if path, err := binary("minio", "v1"); path != want || err != nil {
		t.Errorf("%s, error %v, want %s", path, err, want)
	}
	t.Setenv(toolsVariable, "")
	t.Setenv("XDG_CACHE_HOME", filepath.Join(tools, "cache"))
	if path, _ := binary("minio", "v1"); path != filepath.Join(tools, "cache", "coffer-tools", "minio@v1", "minio") {
		t.Errorf("by default it is looked for at %s", path)
	}
}
