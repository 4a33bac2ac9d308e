package cmd_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/coffer-secrets/coffer/internal/testing/s3test"
)

// "aws login" rewrites its token in place (credentials/logincreds 1.19, saveToken): who reads it meanwhile gets half
// of it, and reads it again. The file is a pipe here, so that the first reader gets the half.
func TestATornLoginTokenIsReadAgain(t *testing.T) {
	b := newBench(t, s3test.Options{})
	b.do("write api key -", canary)
	const session = "arn:aws:iam::111122223333:user/ann"
	token, err := json.Marshal(map[string]any{
		"accessToken": map[string]any{
			"accessKeyId": dev.AccessKeyID, "secretAccessKey": dev.SecretKey, "sessionToken": dev.SessionToken,
			"accountId": "111122223333", "expiresAt": time.Now().Add(time.Hour).UTC().Format(time.RFC3339),
		},
		"tokenType": "aws_sigv4", "refreshToken": "refresh", "identityToken": "identity", "clientId": "client", "dpopKey": "key",
	})
	if err != nil {
		t.Fatal(err)
	}
	home, name := t.TempDir(), sha256.Sum256([]byte(session))
	path := filepath.Join(home, ".aws", "login", "cache", hex.EncodeToString(name[:])+".json")
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	reads := make(chan int, 1)
	go func() { reads <- feed(path, token[:len(token)/2], token) }()
	b.env = append(b.env, "HOME="+home, "AWS_ACCESS_KEY_ID=", "AWS_SECRET_ACCESS_KEY=", "AWS_SESSION_TOKEN=",
		"AWS_CONFIG_FILE="+file(t, "config", "[default]\nlogin_session = "+session+"\n"))
	got := b.run("read api key -n", "")
	if got.exit != 0 || got.stdout != canary || got.stderr != "" {
		t.Fatalf("%+v", got)
	}
	if n := <-reads; n != 2 {
		t.Errorf("the token was read %d times", n)
	}
}

// feed gives each reader of a pipe one text, and returns how many there were.
func feed(path string, texts ...[]byte) (readers int) {
	for _, text := range texts {
		out, err := os.OpenFile(path, os.O_WRONLY, 0) // waits for a reader
		if err != nil {
			return readers
		}
		_, _ = out.Write(text)
		_ = out.Close()
		readers++
		for !errors.Is(err, syscall.ENXIO) { // until that reader is gone
			if out, err = os.OpenFile(path, os.O_WRONLY|syscall.O_NONBLOCK, 0); err == nil {
				_ = out.Close()
			}
			runtime.Gosched()
		}
	}
	return readers
}

// STS refuses a signature of the wrong time. AWS says so in the message, under the code of any other wrong signature.
func TestAnSTSThatRefusesTheClock(t *testing.T) {
	for _, message := range []string{
		"Signature expired: 20260101T000000Z is now earlier than 20260101T001000Z (20260101T002500Z - 15 min.)",
		"Signature not yet current: 20260101T010000Z is still later than 20260101T003000Z (20260101T001500Z + 15 min.)",
	} {
		sts := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/xml")
			w.WriteHeader(http.StatusForbidden)
			_, _ = w.Write([]byte("<ErrorResponse><Error><Type>Sender</Type><Code>SignatureDoesNotMatch</Code><Message>" + message + "</Message></Error></ErrorResponse>"))
		}))
		t.Cleanup(sts.Close)
		b := newBench(t, s3test.Options{})
		b.env = append(b.env, "AWS_PROFILE=app", "AWS_ENDPOINT_URL_STS="+sts.URL, "AWS_ACCESS_KEY_ID=", "AWS_SECRET_ACCESS_KEY=", "AWS_SESSION_TOKEN=",
			"AWS_CONFIG_FILE="+file(t, "config", "[profile app]\nrole_arn = arn:aws:iam::111122223333:role/app\nsource_profile = base\n"+
				"[profile base]\naws_access_key_id = AKIDBASE\naws_secret_access_key = base\n"))
		got := b.run("list api", "")
		if got.exit != 7 || !strings.Contains(got.stderr, message[:17]) || !strings.HasSuffix(got.stderr, "\n  this machine's clock is wrong: set it, and try again\n") {
			t.Errorf("%+v", got)
		}
	}
}
