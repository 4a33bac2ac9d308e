package sealed_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/coffer-secrets/coffer/internal/testing/s3test"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/internal/bucket/dirbucket"
	"github.com/coffer-secrets/coffer/store/internal/bucket/sealed"
	"github.com/coffer-secrets/coffer/store/internal/engine"
	"github.com/coffer-secrets/coffer/store/internal/seal/kmsseal"
	"github.com/coffer-secrets/coffer/store/storetest"
)

// New is the example of docs/layout.md, word for word.
func New(cfg aws.Config, dir, alias string) (store.Store, error) {
	files := dirbucket.New(dirbucket.Options{Dir: dir})
	sealer := kmsseal.New(cfg, kmsseal.Options{})
	alias, err := store.NormalizeAlias(alias)
	if err != nil {
		return nil, err
	}
	return engine.New(engine.Options{
		Bucket: sealed.New(files, sealer),
		Alias:  alias,
	}), nil
}

// TestABackendIsADozenLines: a storage and a sealer that no backend has together are a store by the whole suite.
func TestABackendIsADozenLines(t *testing.T) {
	self, err := os.ReadFile("backend_test.go")
	if err != nil {
		t.Fatal(err)
	}
	guide, err := os.ReadFile("../../../../docs/layout.md")
	if err != nil {
		t.Fatal(err)
	}
	_, code, _ := strings.Cut(string(self), "word for word.\n")
	code, _, _ = strings.Cut(code, "\n}\n")
	if !strings.Contains(string(guide), "```go\n"+code+"\n}\n```") {
		t.Error("docs/layout.md shows another backend")
	}
	cfg, dir := config(t, newServer(t, s3test.Options{})), filepath.Join(memoryDir(t), "store")
	storetest.Run(t, func(t *testing.T) store.Store {
		s, err := New(cfg, dir, "alias/app")
		if err != nil {
			t.Fatal(err)
		}
		return s
	}, storetest.Capabilities{})
}
