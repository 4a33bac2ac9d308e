//go:build !unix

package cmd_test

import (
	"net"
	"testing"
)

// closed returns an address at which connections are refused.
func closed(t *testing.T) (host string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	return l.Addr().String()
}
