package kmsd_test

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coffer-secrets/coffer/internal/testing/kmsd"
)

// ask makes a request and returns the status and the JSON of the answer.
func ask(t *testing.T, h http.Handler, method, path string, in any) (int, map[string]any) {
	t.Helper()
	var body bytes.Buffer
	if in != nil {
		if err := json.NewEncoder(&body).Encode(in); err != nil {
			t.Fatal(err)
		}
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), method, path, &body))
	var out map[string]any
	if text := w.Body.Bytes(); len(text) > 0 && text[0] == '{' {
		if err := json.Unmarshal(text, &out); err != nil {
			t.Fatal(err)
		}
	}
	return w.Code, out
}

const appPath = "alias%2Fapp" // as MinIO sends alias/app

func TestWhatAKeySealsItOpensInItsContextAlone(t *testing.T) {
	h := kmsd.NewKeys("alias/app", "other").KES()
	context := []byte("bucket/object")
	status, made := ask(t, h, "PUT", "/v1/key/generate/"+appPath, map[string]any{"context": context})
	if status != http.StatusOK {
		t.Fatalf("generate: status %d", status)
	}
	for name, test := range map[string]struct {
		path    string
		context string
		status  int
	}{
		"the key":         {appPath, "bucket/object", http.StatusOK},
		"another context": {appPath, "bucket/other", http.StatusBadRequest},
		"another key":     {"other", "bucket/object", http.StatusBadRequest},
		"an unknown key":  {"nobody", "bucket/object", http.StatusNotFound},
	} {
		status, opened := ask(t, h, "PUT", "/v1/key/decrypt/"+test.path, map[string]any{"context": []byte(test.context), "ciphertext": made["ciphertext"]})
		if status != test.status {
			t.Errorf("%s: status %d, want %d", name, status, test.status)
		}
		if status == http.StatusOK && opened["plaintext"] != made["plaintext"] {
			t.Errorf("%s: another plaintext", name)
		}
	}
	if status, _ := ask(t, h, "PUT", "/v1/key/decrypt/"+appPath, map[string]any{"ciphertext": []byte("short")}); status != http.StatusBadRequest {
		t.Errorf("a short ciphertext: status %d", status)
	}
}

func TestStatesRefuseAKeyUntilItIsEnabled(t *testing.T) {
	keys := kmsd.NewKeys("alias/app")
	kes, control := keys.KES(), keys.Control()
	for _, test := range []struct {
		state  string
		status int
	}{{"disabled", 403}, {"denied", 403}, {"deleted", 404}, {"enabled", 200}} {
		if status, _ := ask(t, control, "PUT", "/state/alias/app?s="+test.state, nil); status != http.StatusNoContent {
			t.Fatalf("%s: status %d", test.state, status)
		}
		if state, err := keys.State("alias/app"); err != nil || string(state) != test.state {
			t.Errorf("state %q, error %v, want %q", state, err, test.state)
		}
		for _, operation := range []string{"generate", "encrypt", "describe", "hmac"} {
			if status, _ := ask(t, kes, "PUT", "/v1/key/"+operation+"/"+appPath, nil); status != test.status {
				t.Errorf("%s of a key that is %s: status %d, want %d", operation, test.state, status, test.status)
			}
		}
	}
	if status, _ := ask(t, control, "PUT", "/state/alias/app?s=asleep", nil); status != http.StatusBadRequest {
		t.Errorf("an unknown state: status %d", status)
	}
	if n := keys.Calls()["generate"]; n != 4 {
		t.Errorf("%d calls of generate, want 4", n)
	}
}

func TestKeysAreMadeOnce(t *testing.T) {
	keys := kmsd.NewKeys()
	kes := keys.KES()
	for _, want := range []int{http.StatusOK, http.StatusBadRequest} {
		if status, _ := ask(t, kes, "PUT", "/v1/key/create/new", nil); status != want {
			t.Errorf("create: status %d, want %d", status, want)
		}
	}
	if status, _ := ask(t, kes, "PUT", "/v1/key/nonsense/new", nil); status != http.StatusNotFound {
		t.Errorf("an unknown operation: status %d", status)
	}
	if _, err := keys.State("nobody"); err == nil {
		t.Error("an unknown key has a state")
	}
}

func TestTokensAreSignedByThePublishedKey(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	issuer, err := kmsd.NewIssuer(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	server.Config.Handler = issuer.Handler()
	_, discovery := ask(t, issuer.Handler(), "GET", "/.well-known/openid-configuration", nil)
	if discovery["issuer"] != server.URL || discovery["jwks_uri"] != server.URL+"/jwks" {
		t.Errorf("discovery: %v", discovery)
	}
	_, published := ask(t, issuer.Handler(), "GET", "/jwks", nil)
	key := published["keys"].([]any)[0].(map[string]any)
	public := &rsa.PublicKey{N: new(big.Int).SetBytes(decode(t, key["n"].(string))), E: int(new(big.Int).SetBytes(decode(t, key["e"].(string))).Int64())}

	w := httptest.NewRecorder()
	issuer.Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", "/token?sub=job&aud=coffer&policy=readwrite&ttl=60", nil))
	token, err := io.ReadAll(w.Result().Body)
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(string(token), ".")
	if len(parts) != 3 {
		t.Fatalf("a token of %d parts", len(parts))
	}
	digest := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if err := rsa.VerifyPKCS1v15(public, crypto.SHA256, digest[:], decode(t, parts[2])); err != nil {
		t.Error(err)
	}
	var claims struct {
		Iss, Sub, Aud, Policy string
		Exp                   int64
	}
	if err := json.Unmarshal(decode(t, parts[1]), &claims); err != nil {
		t.Fatal(err)
	}
	if claims.Iss != server.URL || claims.Sub != "job" || claims.Aud != "coffer" || claims.Policy != "readwrite" {
		t.Errorf("claims: %+v", claims)
	}
	if left := time.Until(time.Unix(claims.Exp, 0)); left < 50*time.Second || left > time.Minute {
		t.Errorf("it expires in %v, want a minute", left)
	}
}

func decode(t *testing.T, text string) []byte {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
