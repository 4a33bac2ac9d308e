// Image makes the OCI image of a release without a container engine, and pushes it.
//
//	image build -version 0.1.0 -commit HASH -date 2026-11-28T12:00:00Z -out DIR linux/amd64=PROGRAM linux/arm64=PROGRAM
//	image push DIR ghcr.io/coffer-secrets/coffer:0.1.0
//
// The image has the program and the certificates of certificate authorities, and nothing else. The same programs
// give the same image, byte for byte.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

const usage = "usage: image build -version VERSION -commit HASH -date DATE -out DIR PLATFORM=PROGRAM...\n       image push DIR REFERENCE..."

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "image:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	switch {
	case len(args) > 0 && args[0] == "build":
		return build(args[1:])
	case len(args) > 2 && args[0] == "push":
		digest, err := Push(ctx, args[1], args[2:])
		if err == nil {
			fmt.Println(digest)
		}
		return err
	}
	return errors.New(usage)
}

func build(args []string) error {
	var r Release
	flags := flag.NewFlagSet("build", flag.ContinueOnError)
	flags.StringVar(&r.Version, "version", "", "The version of the release, without v.")
	flags.StringVar(&r.Commit, "commit", "", "The hash of the commit.")
	date := flags.String("date", "", "The time of the commit, as RFC 3339.")
	out := flags.String("out", "", "The folder for the OCI layout. It must not exist.")
	if err := flags.Parse(args); err != nil {
		return err
	}
	var err error
	if r.Created, err = time.Parse(time.RFC3339, *date); err != nil {
		return err
	}
	if r.Version == "" || *out == "" || flags.NArg() == 0 {
		return errors.New(usage)
	}
	for _, arg := range flags.Args() {
		platform, path, ok := strings.Cut(arg, "=")
		if !ok {
			return errors.New(usage)
		}
		p, err := v1.ParsePlatform(platform)
		if err != nil {
			return err
		}
		binary, err := os.ReadFile(path) //nolint:gosec // named on the command line
		if err != nil {
			return err
		}
		r.Programs = append(r.Programs, Program{*p, binary})
	}
	return Build(*out, r)
}
