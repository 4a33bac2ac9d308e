#!/usr/bin/env bash
# In a versioned bucket of versitygw 1.8.0, an object that was deleted is 404 to a GET and still
# there to a put with If-None-Match: *, which is 412. Without versioning the same put succeeds, as
# it does on S3 in both cases.
#
# Seen on 2026-11-28 with versitygw 1.8.0, asked by aws-sdk-go-v2 service/s3 1.114.8:
#
#	plain create ok
#	plain delete ok
#	plain get NoSuchKey
#	plain create-again ok
#	versioned create ok
#	versioned delete ok
#	versioned get NoSuchKey
#	versioned create-again PreconditionFailed
set -euo pipefail
dir=$(mktemp -d)
trap 'chmod -R u+w "$dir"; rm -rf "$dir"' EXIT
cd "$dir"
mkdir data versions
GOBIN=$dir GOMODCACHE=$dir/mod go install github.com/versity/versitygw/cmd/versitygw@v1.8.0
cat >go.mod <<'MOD'
module create
go 1.26.0
require (
	github.com/aws/aws-sdk-go-v2 v1.47.7
	github.com/aws/aws-sdk-go-v2/credentials v1.20.15
	github.com/aws/aws-sdk-go-v2/service/s3 v1.114.8
)
MOD
cat >main.go <<'GO'
package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
)

func main() {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	address := free.Addr().String()
	check(free.Close())
	dir, err := os.Getwd()
	check(err)
	gateway := exec.Command("./versitygw", "--port", address, "posix", "--versioning-dir", dir+"/versions", dir+"/data")
	gateway.Env = append(os.Environ(), "ROOT_ACCESS_KEY_ID=key", "ROOT_SECRET_ACCESS_KEY=secret")
	check(gateway.Start())
	defer gateway.Process.Kill()
	for n := 0; ; n++ {
		c, err := net.Dial("tcp", address)
		if err == nil {
			c.Close()
			break
		}
		if n == 100 {
			panic(err)
		}
		time.Sleep(100 * time.Millisecond)
	}

	c := s3.New(s3.Options{
		BaseEndpoint: aws.String("http://" + address), UsePathStyle: true, Region: "us-east-1",
		Credentials: credentials.NewStaticCredentialsProvider("key", "secret", ""),
	})
	ctx, bucket := context.Background(), aws.String("bucket")
	_, err = c.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: bucket})
	check(err)
	for _, key := range []string{"plain", "versioned"} {
		if key == "versioned" {
			_, err = c.PutBucketVersioning(ctx, &s3.PutBucketVersioningInput{Bucket: bucket, VersioningConfiguration: &types.VersioningConfiguration{Status: "Enabled"}})
			check(err)
		}
		create := func(what string) {
			_, err := c.PutObject(ctx, &s3.PutObjectInput{Bucket: bucket, Key: &key, Body: strings.NewReader("x"), IfNoneMatch: aws.String("*")})
			fmt.Println(key, what, code(err))
		}
		create("create")
		_, err = c.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: bucket, Key: &key})
		fmt.Println(key, "delete", code(err))
		_, err = c.GetObject(ctx, &s3.GetObjectInput{Bucket: bucket, Key: &key})
		fmt.Println(key, "get", code(err))
		create("create-again")
	}
}

func code(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	check(err)
	return "ok"
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
GO
export GOMODCACHE=$dir/mod GOFLAGS=-mod=mod
go build -o create . 2>&1 | grep -v downloading || true
echo "versitygw 1.8.0, aws-sdk-go-v2 service/s3 1.114.8"
./create | tee got
cat >want <<'WANT'
plain create ok
plain delete ok
plain get NoSuchKey
plain create-again ok
versioned create ok
versioned delete ok
versioned get NoSuchKey
versioned create-again PreconditionFailed
WANT
diff want got
