// Wire is a proxy between a client and an endpoint. It counts requests, connections and round
// trips.
//
//	wire -listen 127.0.0.1:9100 -to http://127.0.0.1:9000 -rtt 20ms -log wire.jsonl
//	curl 127.0.0.1:9100/_wire             {"requests":6,"depth":4,"connections":2}
//	curl -X POST 127.0.0.1:9100/_wire/reset
//
// Each request becomes one line of JSON in the log.
package main

import (
	"flag"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"time"

	"github.com/coffer-secrets/coffer/internal/testing/wire"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:9100", "address to listen on")
	to := flag.String("to", "http://127.0.0.1:9000", "endpoint to pass requests to")
	rtt := flag.Duration("rtt", 0, "round-trip time added to each request")
	logFile := flag.String("log", "", "file for the JSON lines (none: no log)")
	flag.Parse()

	if err := serve(*listen, *to, *rtt, *logFile); err != nil {
		fmt.Fprintln(os.Stderr, "wire:", err)
		os.Exit(1)
	}
}

func serve(listen, to string, rtt time.Duration, logFile string) error {
	upstream, err := url.Parse(to)
	if err != nil {
		return err
	}
	if upstream.Scheme == "" || upstream.Host == "" {
		return fmt.Errorf("-to %q: want a URL such as http://127.0.0.1:9000", to)
	}
	proxy := wire.New(upstream, rtt)
	if logFile != "" {
		f, err := os.OpenFile(logFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		defer f.Close() //nolint:errcheck // the process ends here
		proxy.Log(f)
	}
	server := &http.Server{
		Addr:              listen,
		Handler:           proxy,
		ConnState:         proxy.ConnState,
		ReadHeaderTimeout: time.Minute,
	}
	fmt.Fprintln(os.Stderr, "wire: listening on", listen)
	return server.ListenAndServe()
}
