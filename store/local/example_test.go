package local_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/local"
)

func ExampleNew() {
	dir, err := os.MkdirTemp("", "coffer-example")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	ctx := context.Background()

	s, err := local.New(local.Options{
		Dir:    filepath.Join(dir, "secrets"),
		KeyDir: filepath.Join(dir, "keys"), // whoever loses it loses the secrets
		Author: "ci",
	})
	if err != nil {
		log.Fatal(err)
	}
	id, _ := store.ParseID("api/db_password")
	result, err := s.Write(ctx, id, store.NewValue("correct horse"), store.WriteOptions{})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(result.Meta.ID, "version", result.Meta.Version, "under", result.Meta.KeyAlias)
	fmt.Println(local.Aliases(filepath.Join(dir, "keys")))
	// Output:
	// api/db_password version 1 under alias/default
	// [alias/default]
}
