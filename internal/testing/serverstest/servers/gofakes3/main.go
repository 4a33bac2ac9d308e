// Program gofakes3 serves gofakes3's in-memory bucket, which many test suites use in place of S3.
//
//	gofakes3 127.0.0.1:9000
package main

import (
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: gofakes3 ADDRESS")
		os.Exit(2)
	}
	server := &http.Server{
		Addr: os.Args[1], ReadHeaderTimeout: time.Minute,
		Handler: gofakes3.New(s3mem.New(), gofakes3.WithLogger(gofakes3.DiscardLog())).Server(),
	}
	fmt.Fprintln(os.Stderr, server.ListenAndServe())
	os.Exit(1)
}
