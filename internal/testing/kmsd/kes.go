package kmsd

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// KES returns the part of the KES API that MinIO uses. A KES server uses TLS and asks its client
// for a certificate. Here any certificate is accepted: see [Pair.Server].
func (k *Keys) KES() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /version", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, map[string]string{"version": "kmsd"})
	})
	mux.HandleFunc("GET /v1/status", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, map[string]any{"version": "kmsd", "os": "linux", "arch": "amd64", "uptime": 1})
	})
	mux.HandleFunc("GET /v1/ready", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("GET /v1/api", func(w http.ResponseWriter, _ *http.Request) { answer(w, []any{}) })
	// A name such as alias/app is sent as one escaped segment.
	mux.HandleFunc("/v1/key/", func(w http.ResponseWriter, r *http.Request) {
		operation, escaped, _ := strings.Cut(strings.TrimPrefix(r.URL.EscapedPath(), "/v1/key/"), "/")
		name, err := url.PathUnescape(escaped)
		if err != nil {
			refuse(w, http.StatusBadRequest, err)
			return
		}
		k.serveKey(w, r, operation, name)
	})
	return mux
}

// keyRequest is the body of any request about a key. Bytes are base64 in JSON.
type keyRequest struct {
	Context    []byte `json:"context"`
	Plaintext  []byte `json:"plaintext"`
	Ciphertext []byte `json:"ciphertext"`
	Message    []byte `json:"message"`
}

func (k *Keys) serveKey(w http.ResponseWriter, r *http.Request, operation, name string) {
	k.count(operation)
	var in keyRequest
	if r.ContentLength != 0 {
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
			refuse(w, http.StatusBadRequest, err)
			return
		}
	}
	out, err := k.do(operation, name, in)
	switch {
	case errors.Is(err, ErrNotFound), errors.Is(err, errOperation):
		refuse(w, http.StatusNotFound, err)
	case errors.Is(err, ErrNotAllowed):
		refuse(w, http.StatusForbidden, err)
	case err != nil:
		refuse(w, http.StatusBadRequest, err)
	case out != nil:
		answer(w, out)
	}
}

var errOperation = errors.New("no such operation")

// do returns the result of an operation, and nil for one without content.
func (k *Keys) do(operation, name string, in keyRequest) (map[string]any, error) {
	switch operation {
	case "create":
		return nil, k.Create(name)
	case "list":
		return map[string]any{"names": k.names()}, nil
	}
	key, err := k.usable(name)
	if err != nil {
		return nil, err
	}
	switch operation {
	case "describe":
		return map[string]any{"name": name, "algorithm": "AES256", "created_at": time.Now(), "created_by": "kmsd"}, nil
	case "generate":
		plaintext := make([]byte, 32)
		_, _ = rand.Read(plaintext) // never fails
		return map[string]any{"plaintext": plaintext, "ciphertext": key.seal(plaintext, in.Context)}, nil
	case "encrypt":
		return map[string]any{"ciphertext": key.seal(in.Plaintext, in.Context)}, nil
	case "decrypt":
		plaintext, err := key.open(in.Ciphertext, in.Context)
		if err != nil {
			return nil, err
		}
		return map[string]any{"plaintext": plaintext}, nil
	case "hmac":
		return map[string]any{"hmac": key.hmac(in.Message)}, nil
	}
	return nil, errOperation
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // fails only if the client is gone
}

func refuse(w http.ResponseWriter, status int, err error) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"message": err.Error()}) // fails only if the client is gone
}
