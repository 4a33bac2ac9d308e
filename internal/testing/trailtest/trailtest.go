// Package trailtest is an in-process event history of CloudTrail for tests. It implements one
// operation as AWS documents it. README.md has the sources of its events.
package trailtest

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	_ "embed" // the events
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

//go:embed events.json
var recorded []byte

// Credentials returns the credentials that requests must be signed with.
func Credentials() aws.Credentials {
	return aws.Credentials{AccessKeyID: "ASIATRAIL", SecretAccessKey: "trail-secret", SessionToken: "trail-token"}
}

// Server is the event history of us-east-1.
type Server struct {
	URL string

	mu       sync.Mutex
	page     int
	refuse   func(n int) (status int, code string)
	requests int
	events   []event // latest first
}

type event struct {
	Time time.Time `json:"eventTime"`
	Name string    `json:"eventName"`
	text string
}

// New starts a server with the events of events.json. It stops when the test ends.
func New(t testing.TB) *Server {
	t.Helper()
	s := &Server{page: 50, refuse: func(int) (int, string) { return 0, "" }}
	var all []json.RawMessage
	if err := json.Unmarshal(recorded, &all); err != nil {
		t.Fatal(err)
	}
	for _, text := range all {
		s.add(t, string(text))
	}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	s.URL = server.URL
	return s
}

func (s *Server) add(t testing.TB, text string) {
	e := event{text: text}
	if err := json.Unmarshal([]byte(text), &e); err != nil {
		t.Fatal(err)
	}
	s.events = append(s.events, e)
	slices.SortStableFunc(s.events, func(a, b event) int { return b.Time.Compare(a.Time) })
}

// Spoil adds a Decrypt event that isn't valid JSON.
func (s *Server) Spoil(at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events = append(s.events, event{Time: at, Name: "Decrypt", text: `{"eventTime":`})
}

// Decrypted adds the Decrypt event of a program of a user, who called KMS with an encryption context.
func (s *Server) Decrypted(t testing.TB, at time.Time, user, program string, context map[string]string) {
	t.Helper()
	text, err := json.Marshal(map[string]any{
		"userIdentity": map[string]string{"type": "IAMUser", "arn": "arn:aws:iam::111122223333:user/" + user},
		"eventTime":    at, "eventSource": "kms.amazonaws.com", "eventName": "Decrypt", "sourceIPAddress": "203.0.113.7", "userAgent": program,
		"requestParameters": map[string]any{"encryptionAlgorithm": "SYMMETRIC_DEFAULT", "encryptionContext": context},
		"eventID":           "b1b32a6c-0000-4000-8000-" + at.Format("000000150405"),
	})
	if err != nil {
		t.Fatal(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.add(t, string(text))
}

// Pages limits responses to n events.
func (s *Server) Pages(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.page = n
}

// Refuse sets f, which returns the response to the n-th request, from 1. Status 0 means no refusal.
func (s *Server) Refuse(f func(n int) (status int, code string)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refuse = f
}

// Requests returns the number of requests.
func (s *Server) Requests() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.requests
}

// ServeHTTP serves LookupEvents.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests++
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the client closed the connection
	}
	if status, code := s.refuse(s.requests); status != 0 {
		refuse(w, status, code)
		return
	}
	if !signed(r, body) {
		refuse(w, http.StatusBadRequest, "InvalidSignatureException")
		return
	}
	if r.Header.Get("X-Amz-Target") != "CloudTrail_20131101.LookupEvents" {
		refuse(w, http.StatusBadRequest, "UnknownOperationException")
		return
	}
	s.lookup(w, body)
}

// lookup accepts one attribute, as CloudTrail does.
func (s *Server) lookup(w http.ResponseWriter, body []byte) {
	var in struct {
		LookupAttributes   []struct{ AttributeKey, AttributeValue string }
		StartTime, EndTime int64
		MaxResults         int
		NextToken          string
	}
	if json.Unmarshal(body, &in) != nil || len(in.LookupAttributes) != 1 || in.LookupAttributes[0].AttributeKey != "EventName" ||
		in.MaxResults < 1 || in.MaxResults > 50 {
		refuse(w, http.StatusBadRequest, "InvalidLookupAttributesException")
		return
	}
	if in.EndTime < in.StartTime {
		refuse(w, http.StatusBadRequest, "InvalidTimeRangeException")
		return
	}
	var found []map[string]any
	for _, e := range s.events {
		if at := e.Time.Unix(); e.Name == in.LookupAttributes[0].AttributeValue && at >= in.StartTime && at <= in.EndTime {
			found = append(found, map[string]any{"EventName": e.Name, "EventTime": at, "ReadOnly": "true", "CloudTrailEvent": e.text})
		}
	}
	from, _ := strconv.Atoi(cmp.Or(in.NextToken, "0"))
	to := min(from+min(in.MaxResults, s.page), len(found))
	out := map[string]any{"Events": found[from:to]}
	if to < len(found) {
		out["NextToken"] = strconv.Itoa(to)
	}
	_ = json.NewEncoder(w).Encode(out)
}

// signed reports whether the request has the correct signature.
func signed(r *http.Request, body []byte) bool {
	at, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
	if err != nil || r.Header.Get("X-Amz-Security-Token") != Credentials().SessionToken {
		return false
	}
	again, err := http.NewRequestWithContext(r.Context(), r.Method, "http://"+r.Host+r.URL.Path, bytes.NewReader(body)) //nolint:gosec // never sent
	if err != nil {
		return false
	}
	_, names, _ := strings.Cut(r.Header.Get("Authorization"), "SignedHeaders=")
	names, _, _ = strings.Cut(names, ",")
	for name := range strings.SplitSeq(names, ";") {
		again.Header.Set(name, r.Header.Get(name))
	}
	hash := sha256.Sum256(body)
	err = v4.NewSigner().SignHTTP(r.Context(), Credentials(), again, hex.EncodeToString(hash[:]), "cloudtrail", "us-east-1", at)
	return err == nil && again.Header.Get("Authorization") == r.Header.Get("Authorization")
}

func refuse(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	w.WriteHeader(status)
	if code != "" {
		_ = json.NewEncoder(w).Encode(map[string]string{"__type": code, "Message": "refused: " + code})
	}
}
