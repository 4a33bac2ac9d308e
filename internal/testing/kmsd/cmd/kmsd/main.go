// Command kmsd runs the key service of package kmsd as a program, for a MinIO that is started by
// hand. It prints the environment variables that MinIO needs, and serves until it is stopped.
//
//	kmsd -keys alias/app,alias/ops -dir /tmp/kmsd
//	curl -X PUT 'http://127.0.0.1:7375/state/alias/ops?s=disabled'
package main

import (
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/coffer-secrets/coffer/internal/testing/kmsd"
)

func main() {
	keys := flag.String("keys", "alias/app,alias/ops", "the `names` of the keys; the first is the server's default")
	dir := flag.String("dir", ".", "where to write the certificate and its key")
	kes := flag.String("kes", "127.0.0.1:7373", "`address` of KES, over TLS")
	oidc := flag.String("oidc", "127.0.0.1:7374", "`address` of the OIDC issuer")
	control := flag.String("control", "127.0.0.1:7375", "`address` to change keys at")
	flag.Parse()
	if err := serve(strings.Split(*keys, ","), *dir, *kes, *oidc, *control); err != nil {
		fmt.Fprintln(os.Stderr, "kmsd:", err)
		os.Exit(1)
	}
}

func serve(names []string, dir, kes, oidc, control string) error {
	pair, err := kmsd.NewPair()
	if err != nil {
		return err
	}
	certificate, key := filepath.Join(dir, "kmsd.crt"), filepath.Join(dir, "kmsd.key")
	if err := pair.Write(certificate, key); err != nil {
		return err
	}
	issuer, err := kmsd.NewIssuer("http://" + oidc)
	if err != nil {
		return err
	}
	keys := kmsd.NewKeys(names...)
	listener, err := net.Listen("tcp", kes)
	if err != nil {
		return err
	}
	fmt.Printf(`export MINIO_KMS_KES_ENDPOINT=https://%s
export MINIO_KMS_KES_KEY_NAME=%s
export MINIO_KMS_KES_CERT_FILE=%s
export MINIO_KMS_KES_KEY_FILE=%s
export MINIO_KMS_KES_CAPATH=%[3]s
export MINIO_IDENTITY_OPENID_CONFIG_URL=http://%[5]s/.well-known/openid-configuration
export MINIO_IDENTITY_OPENID_CLIENT_ID=coffer
`, kes, names[0], certificate, key, oidc)

	ended := make(chan error, 3)
	go func() { ended <- pair.Server(keys.KES()).ServeTLS(listener, "", "") }()
	for address, handler := range map[string]http.Handler{oidc: issuer.Handler(), control: keys.Control()} {
		server := &http.Server{Addr: address, Handler: handler, ReadHeaderTimeout: time.Minute}
		go func() { ended <- server.ListenAndServe() }()
	}
	return <-ended
}
