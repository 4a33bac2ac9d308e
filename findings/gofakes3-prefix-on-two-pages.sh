#!/usr/bin/env bash
# gofakes3 1.2.0 returns a common prefix a second time, if a page ended with it and more objects
# have it. S3 goes on after all of them, so that each prefix is on one page. Whoever counts the
# folders of a bucket over the pages counts some of them twice.
#
# Seen on 2026-11-29 with gofakes3 1.2.0, ListObjectsV2 with delimiter=/ and max-keys=1, over the
# objects a, b/1, b/2, c/1 and d:
#
#	page 1 a
#	page 2 b/
#	page 3 b/
#	page 4 c/
#	page 5 d
set -euo pipefail
dir=$(mktemp -d)
trap 'chmod -R u+w "$dir"; rm -rf "$dir"' EXIT
cd "$dir"
cat >go.mod <<'MOD'
module pages
go 1.26.0
require github.com/johannesboyne/gofakes3 v1.2.0
MOD
cat >main.go <<'GO'
package main

import (
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
)

func main() {
	server := httptest.NewServer(gofakes3.New(s3mem.New()).Server())
	defer server.Close()
	do("PUT", server.URL+"/bucket")
	for _, key := range []string{"a", "b/1", "b/2", "c/1", "d"} {
		do("PUT", server.URL+"/bucket/"+key)
	}
	token := ""
	for page := 1; page < 10; page++ {
		query := "?list-type=2&delimiter=/&max-keys=1"
		if token != "" {
			query += "&continuation-token=" + url.QueryEscape(token)
		}
		var answer struct {
			IsTruncated           bool
			NextContinuationToken string
			CommonPrefixes        []struct{ Prefix string }
			Contents              []struct{ Key string }
		}
		if err := xml.Unmarshal(do("GET", server.URL+"/bucket"+query), &answer); err != nil {
			panic(err)
		}
		fmt.Print("page ", page)
		for _, p := range answer.CommonPrefixes {
			fmt.Print(" ", p.Prefix)
		}
		for _, c := range answer.Contents {
			fmt.Print(" ", c.Key)
		}
		fmt.Println()
		if !answer.IsTruncated {
			break
		}
		token = answer.NextContinuationToken
	}
}

func do(method, at string) []byte {
	r, err := http.NewRequest(method, at, nil)
	if err != nil {
		panic(err)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		panic(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		panic(fmt.Sprint(method, " ", at, " ", response.Status, " ", err))
	}
	return body
}
GO
export GOMODCACHE=$dir/mod GOFLAGS=-mod=mod
go build -o pages . 2>&1 | grep -v downloading || true
echo "gofakes3 1.2.0"
./pages | tee got
cat >want <<'WANT'
page 1 a
page 2 b/
page 3 b/
page 4 c/
page 5 d
WANT
diff want got
