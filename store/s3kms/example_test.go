package s3kms_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"

	awsconfig "github.com/aws/aws-sdk-go-v2/config"

	"github.com/coffer-secrets/coffer/internal/testing/s3test"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/s3kms"
)

// serve starts a server with the bucket acme-secrets and the key alias/app, and sets the variables
// with which the SDK finds it. Programs on AWS need none of this.
func serve() (stop func()) {
	server := s3test.New(s3test.Options{Buckets: []string{"acme-secrets"}})
	server.KMS.CreateKey("alias/app")
	var restore []func() error
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL": server.URL, "AWS_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true",
		"AWS_ACCESS_KEY_ID": s3test.AdminKeyID, "AWS_SECRET_ACCESS_KEY": s3test.AdminSecret,
		"AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull,
	} {
		if before, ok := os.LookupEnv(name); ok {
			restore = append(restore, func() error { return os.Setenv(name, before) })
		} else {
			restore = append(restore, func() error { return os.Unsetenv(name) })
		}
		if err := os.Setenv(name, value); err != nil {
			log.Fatal(err)
		}
	}
	return func() {
		for _, undo := range restore {
			if err := undo(); err != nil {
				log.Fatal(err)
			}
		}
		server.Close()
	}
}

func Example() {
	defer serve()()
	ctx := context.Background()

	cfg, err := awsconfig.LoadDefaultConfig(ctx)
	if err != nil {
		log.Fatal(err)
	}
	s, err := s3kms.New(ctx, cfg, s3kms.Options{Bucket: "acme-secrets", KeyAlias: "alias/app"})
	if err != nil {
		log.Fatal(err)
	}
	id, _ := store.ParseID("api/db_password")
	result, err := s.Write(ctx, id, store.NewValue("correct horse"), store.WriteOptions{})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(result.Meta.ID, "version", result.Meta.Version, "under", result.Meta.KeyAlias)
	contents, err := s.Load(ctx, "api")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(contents.Listed, contents.Keys())
	// Output:
	// api/db_password version 1 under alias/app
	// 1 [db_password]
}

// Read one secret in one line.
func ExampleRead() {
	defer serve()()
	ctx := context.Background()
	writer, _ := s3kms.Open(ctx, s3kms.Options{Bucket: "acme-secrets", KeyAlias: "alias/app"})
	id, _ := store.ParseID("api/db_password")
	if _, err := writer.Write(ctx, id, store.NewValue("correct horse"), store.WriteOptions{}); err != nil {
		log.Fatal(err)
	}

	password, err := s3kms.Read(ctx, s3kms.Options{Bucket: "acme-secrets"}, "api/db_password")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(password, password.Reveal())
	// Output:
	// [redacted] correct horse
}

// A reader needs no key alias. A change needs one.
func ExampleOpen() {
	defer serve()()
	ctx := context.Background()

	reader, err := s3kms.Open(ctx, s3kms.Options{Bucket: "acme-secrets"})
	if err != nil {
		log.Fatal(err)
	}
	services, err := reader.Services(ctx, "")
	fmt.Println(len(services), err)
	id, _ := store.ParseID("api/db_password")
	_, err = reader.Write(ctx, id, store.NewValue("correct horse"), store.WriteOptions{})
	fmt.Println(errors.Is(err, store.ErrConfiguration), err)
	// Output:
	// 0 <nil>
	// true write api/db_password: configuration: Options.KeyAlias is not set, so this store can only read
}
