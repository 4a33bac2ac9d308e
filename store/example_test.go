package store_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/local"
)

// open returns a store in a temporary directory. A program on AWS calls s3kms.Open instead.
func open() (s store.Store, remove func()) {
	dir, err := os.MkdirTemp("", "coffer-example")
	if err != nil {
		log.Fatal(err)
	}
	s, err = local.New(local.Options{Dir: filepath.Join(dir, "secrets"), KeyDir: filepath.Join(dir, "keys")})
	if err != nil {
		log.Fatal(err)
	}
	return s, func() { _ = os.RemoveAll(dir) }
}

// write stores the secrets of the examples.
func write(ctx context.Context, s store.Store) {
	_, err := s.WriteAll(ctx, "api", map[string]store.Value{
		"db_password": store.NewValue("correct horse"),
		"db_user":     store.NewValue("app"),
	}, store.WriteOptions{})
	if err != nil {
		log.Fatal(err)
	}
}

func Example() {
	ctx := context.Background()
	s, remove := open()
	defer remove()

	id, err := store.NewID("api", "db_password")
	if err != nil {
		log.Fatal(err)
	}
	if _, err := s.Write(ctx, id, store.NewValue("correct horse"), store.WriteOptions{}); err != nil {
		log.Fatal(err)
	}
	secret, err := s.Read(ctx, id, store.Latest)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("version", secret.Version)
	fmt.Println(secret.Value)          // never prints the text
	fmt.Println(secret.Value.Reveal()) // the text
	// Output:
	// version 1
	// [redacted]
	// correct horse
}

// Read the newest version of a secret, and an older one.
func ExampleStore_read() {
	ctx := context.Background()
	s, remove := open()
	defer remove()
	id, _ := store.ParseID("api/db_password")
	for _, text := range []string{"old", "new"} {
		if _, err := s.Write(ctx, id, store.NewValue(text), store.WriteOptions{}); err != nil {
			log.Fatal(err)
		}
	}

	newest, err := s.Read(ctx, id, store.Latest)
	if err != nil {
		log.Fatal(err)
	}
	first, err := s.Read(ctx, id, 1)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(newest.Version, newest.Value.Reveal())
	fmt.Println(first.Version, first.Value.Reveal())
	// Output:
	// 2 new
	// 1 old
}

// Load all secrets of a service. What the caller may not read is counted, not left out silently.
func ExampleStore_load() {
	ctx := context.Background()
	s, remove := open()
	defer remove()
	write(ctx, s)

	contents, err := s.Load(ctx, "api")
	if err != nil {
		log.Fatal(err)
	}
	if len(contents.Secrets) < contents.Listed || len(contents.Denied) > 0 || contents.Unlisted {
		log.Fatalf("only %d of %d secrets of api can be read", len(contents.Secrets), contents.Listed)
	}
	for _, secret := range contents.Secrets {
		fmt.Println(secret.ID.Key, secret.Value.Len(), "bytes")
	}
	// Output:
	// db_password 13 bytes
	// db_user 3 bytes
}

// Write a new version only if nobody else has written one since the read.
func ExampleStore_write() {
	ctx := context.Background()
	s, remove := open()
	defer remove()
	write(ctx, s)
	id, _ := store.ParseID("api/db_password")

	secret, err := s.Read(ctx, id, store.Latest)
	if err != nil {
		log.Fatal(err)
	}
	result, err := s.Write(ctx, id, store.NewValue("battery staple"), store.WriteOptions{IfVersion: &secret.Version})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(result.Meta.ID, result.Outcome, result.Meta.Version)

	_, err = s.Write(ctx, id, store.NewValue("too late"), store.WriteOptions{IfVersion: &secret.Version})
	fmt.Println(errors.Is(err, store.ErrConflict), err)
	// Output:
	// api/db_password updated 2
	// true write api/db_password: the newest version is 2, not 1
}

// List the services and, if the backend can, their secrets, without reading a value.
func ExampleLister() {
	ctx := context.Background()
	s, remove := open()
	defer remove()
	write(ctx, s)

	services, err := s.Services(ctx, "")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(services)
	if lister, ok := s.(store.Lister); ok {
		ids, err := lister.IDs(ctx, "api")
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(ids)
	}
	// Output:
	// [api]
	// [api/db_password api/db_user]
}

// Tell errors apart with errors.Is, and get what they know with errors.As.
func ExampleError() {
	ctx := context.Background()
	s, remove := open()
	defer remove()
	write(ctx, s)
	id, _ := store.ParseID("api/db_pasword")

	_, err := s.Read(ctx, id, store.Latest)
	var missing *store.NotFoundError
	switch {
	case errors.As(err, &missing):
		fmt.Printf("there is no %s; did you mean %s?\n", id, missing.Nearest)
	case errors.Is(err, store.ErrDenied):
		fmt.Println("ask for permission")
	case errors.Is(err, store.ErrUnavailable):
		fmt.Println("try again later")
	case err != nil:
		log.Fatal(err)
	}
	// Output:
	// there is no api/db_pasword; did you mean db_password?
}

// A value doesn't print itself, not even as part of another value.
func ExampleValue() {
	v := store.NewValue("correct horse")
	fmt.Println(v)
	fmt.Printf("%q %+v\n", v, struct{ Password store.Value }{v})
	fmt.Println(v.Reveal())
	// Output:
	// [redacted]
	// [redacted] {Password:[redacted]}
	// correct horse
}
