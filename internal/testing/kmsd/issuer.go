package kmsd

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"strconv"
	"time"
)

// Issuer issues OIDC identity tokens, signed with RS256.
type Issuer struct {
	url string
	key *rsa.PrivateKey
}

const keyID = "k1"

// NewIssuer returns an issuer. Its handler must be served at url.
func NewIssuer(url string) (*Issuer, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, err
	}
	return &Issuer{url, key}, nil
}

// Claims are the claims of a token, except its issuer and its times.
type Claims struct {
	Subject  string
	Audience string        // the client id that the server accepts
	Policy   string        // MinIO: the names of the session's policies; "" leaves the claim out
	TTL      time.Duration // whole seconds
}

// Token returns a signed token that is valid immediately.
func (i *Issuer) Token(c Claims) (string, error) {
	now := time.Now()
	claims := map[string]any{
		"iss": i.url, "sub": c.Subject, "aud": c.Audience, "jti": rand.Text(),
		"iat": now.Unix() - 5, "nbf": now.Unix() - 5, "exp": now.Add(c.TTL).Unix(),
	}
	if c.Policy != "" {
		claims["policy"] = c.Policy
	}
	header, err := json.Marshal(map[string]string{"alg": "RS256", "typ": "JWT", "kid": keyID})
	if err != nil {
		return "", err
	}
	body, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	signed := encode(header) + "." + encode(body)
	digest := sha256.Sum256([]byte(signed))
	signature, err := rsa.SignPKCS1v15(rand.Reader, i.key, crypto.SHA256, digest[:])
	if err != nil {
		return "", err
	}
	return signed + "." + encode(signature), nil
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// Handler serves the discovery document and the public key, and issues tokens to any client: GET
// /token?sub=&aud=&policy=&ttl=SECONDS (default 3600).
func (i *Issuer) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, map[string]any{
			"issuer": i.url, "jwks_uri": i.url + "/jwks",
			"authorization_endpoint": i.url + "/auth", "token_endpoint": i.url + "/token",
			"response_types_supported": []string{"id_token"}, "subject_types_supported": []string{"public"},
			"id_token_signing_alg_values_supported": []string{"RS256"},
		})
	})
	mux.HandleFunc("GET /jwks", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, map[string]any{"keys": []any{map[string]string{
			"kty": "RSA", "use": "sig", "alg": "RS256", "kid": keyID,
			"n": encode(i.key.N.Bytes()), "e": encode(big.NewInt(int64(i.key.E)).Bytes()),
		}}})
	})
	mux.HandleFunc("GET /token", func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		seconds := 3600
		if text := q.Get("ttl"); text != "" {
			var err error
			if seconds, err = strconv.Atoi(text); err != nil {
				refuse(w, http.StatusBadRequest, err)
				return
			}
		}
		token, err := i.Token(Claims{q.Get("sub"), q.Get("aud"), q.Get("policy"), time.Duration(seconds) * time.Second})
		if err != nil {
			refuse(w, http.StatusInternalServerError, err)
			return
		}
		_, _ = fmt.Fprint(w, token)
	})
	return mux
}
