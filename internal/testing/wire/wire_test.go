package wire_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/coffer-secrets/coffer/internal/testing/wire"
)

// front serves a proxy before the handler and returns it with its address.
func front(t *testing.T, rtt time.Duration, handler http.HandlerFunc) (*wire.Proxy, string) {
	t.Helper()
	backend := httptest.NewServer(handler)
	t.Cleanup(backend.Close)
	upstream, err := url.Parse(backend.URL)
	if err != nil {
		t.Fatal(err)
	}
	proxy := wire.New(upstream, rtt)
	server := httptest.NewUnstartedServer(proxy)
	server.Config.ConnState = proxy.ConnState
	server.Start()
	t.Cleanup(server.Close)
	return proxy, server.URL
}

func get(t *testing.T, address string) string {
	t.Helper()
	answer, err := http.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func TestRequestsInSeriesAreAsDeepAsTheyAreMany(t *testing.T) {
	proxy, address := front(t, 0, func(http.ResponseWriter, *http.Request) {})
	for range 5 {
		get(t, address+"/bucket/object")
	}
	want := wire.Summary{Requests: 5, Depth: 5, Connections: 1}
	if diff := cmp.Diff(want, proxy.Summary()); diff != "" {
		t.Errorf("summary (-want +got):\n%s", diff)
	}
}

func TestRequestsInFlightTogetherShareADepth(t *testing.T) {
	const n = 5
	var arrived sync.WaitGroup
	arrived.Add(n)
	proxy, address := front(t, 0, func(http.ResponseWriter, *http.Request) {
		arrived.Done()
		arrived.Wait() // nobody is answered before all have come
	})
	var clients sync.WaitGroup
	for range n {
		clients.Go(func() {
			answer, err := http.Get(address + "/bucket/object")
			if err != nil {
				t.Error(err)
				return
			}
			if err := answer.Body.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	clients.Wait()
	want := wire.Summary{Requests: n, Depth: 1, Connections: n}
	if diff := cmp.Diff(want, proxy.Summary()); diff != "" {
		t.Errorf("summary (-want +got):\n%s", diff)
	}
}

func TestALongRequestDoesNotDeepenThoseBesideIt(t *testing.T) {
	arrived, release := make(chan struct{}), make(chan struct{})
	proxy, address := front(t, 0, func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/long" {
			close(arrived)
			<-release
		}
	})
	var long sync.WaitGroup
	long.Go(func() {
		answer, err := http.Get(address + "/long")
		if err != nil {
			t.Error(err)
			return
		}
		if err := answer.Body.Close(); err != nil {
			t.Error(err)
		}
	})
	<-arrived
	get(t, address+"/a")
	get(t, address+"/b")
	close(release)
	long.Wait()
	get(t, address+"/c")

	got := map[string]int{}
	for _, c := range proxy.Crossings() {
		got[c.Path] = c.Depth
	}
	want := map[string]int{"/long": 1, "/a": 1, "/b": 2, "/c": 3}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("depths (-want +got):\n%s", diff)
	}
}

func TestDelaySetsTheRoundTripOfLaterRequests(t *testing.T) {
	proxy, address := front(t, time.Hour, func(http.ResponseWriter, *http.Request) {})
	proxy.Delay(time.Millisecond)
	get(t, address+"/a")
	if c := proxy.Crossings(); len(c) != 1 || c[0].EndUS-c[0].StartUS < 1000 {
		t.Errorf("%+v", c)
	}
}

func TestTheRequestAndItsAnswerPassUnchanged(t *testing.T) {
	var host, signature, sent string
	_, address := front(t, 0, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		host, signature, sent = r.Host, r.Header.Get("Authorization"), string(body)
		w.Header().Set("Etag", `"e1"`)
		w.WriteHeader(http.StatusPreconditionFailed)
		_, _ = io.WriteString(w, "<Error/>")
	})
	request, err := http.NewRequest(http.MethodPut, address+"/b/o?x-id=PutObject", strings.NewReader("body"))
	if err != nil {
		t.Fatal(err)
	}
	request.Host = "bucket.s3.example.com"
	request.Header.Set("Authorization", "AWS4-HMAC-SHA256 ...")
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	got := []string{host, signature, sent, answer.Status[:3], answer.Header.Get("Etag"), string(body)}
	want := []string{"bucket.s3.example.com", "AWS4-HMAC-SHA256 ...", "body", "412", `"e1"`, "<Error/>"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("what passed (-want +got):\n%s", diff)
	}
}

func TestTheRoundTripTimeIsAddedToEachRequest(t *testing.T) {
	const rtt = 20 * time.Millisecond
	proxy, address := front(t, rtt, func(http.ResponseWriter, *http.Request) {})
	get(t, address+"/o")
	crossing := proxy.Crossings()[0]
	if took := time.Duration(crossing.EndUS-crossing.StartUS) * time.Microsecond; took < rtt {
		t.Errorf("the request took %v; want at least %v", took, rtt)
	}
}

func TestTheLogHasOneLineForEachRequest(t *testing.T) {
	proxy, address := front(t, 0, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "12345") })
	var log bytes.Buffer
	proxy.Log(&log)
	request, err := http.NewRequest(http.MethodPost, address+"/?x=1", strings.NewReader("abc"))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("X-Amz-Target", "TrentService.DescribeKey")
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	if err := answer.Body.Close(); err != nil {
		t.Fatal(err)
	}
	proxy.Log(nil)
	get(t, address+"/not-logged")

	var got wire.Crossing
	if err := json.Unmarshal(log.Bytes(), &got); err != nil {
		t.Fatalf("the log is not one line of JSON: %v\n%s", err, log.String())
	}
	got.StartUS, got.EndUS = 0, 0
	want := wire.Crossing{
		Depth: 1, Method: "POST", Path: "/?x=1", Target: "TrentService.DescribeKey",
		Status: 200, In: 3, Out: 5,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("crossing (-want +got):\n%s", diff)
	}
}

func TestTheSummaryIsServedAndReset(t *testing.T) {
	_, address := front(t, 0, func(http.ResponseWriter, *http.Request) {})
	get(t, address+"/a")
	get(t, address+"/b")
	if got, want := get(t, address+"/_wire"), `{"requests":2,"depth":2,"connections":1}`+"\n"; got != want {
		t.Errorf("GET /_wire: %q, want %q", got, want)
	}
	answer, err := http.Post(address+"/_wire/reset", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := answer.Body.Close(); err != nil {
		t.Fatal(err)
	}
	if got, want := get(t, address+"/_wire"), `{"requests":0,"depth":0,"connections":0}`+"\n"; got != want {
		t.Errorf("GET /_wire after a reset: %q, want %q", got, want)
	}
}

func TestAnObjectNameWithEmptyPartsIsNotRedirected(t *testing.T) {
	var path string
	_, address := front(t, 0, func(_ http.ResponseWriter, r *http.Request) { path = r.URL.EscapedPath() })
	get(t, address+"/bucket//a/../b%2Fc")
	if want := "/bucket//a/../b%2Fc"; path != want {
		t.Errorf("the endpoint saw %q, want %q", path, want)
	}
}

func TestAnUnreachableEndpointIsABadGateway(t *testing.T) {
	closed := httptest.NewServer(http.NotFoundHandler())
	upstream, err := url.Parse(closed.URL)
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	proxy := wire.New(upstream, 0)
	w := httptest.NewRecorder()
	proxy.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/o", nil))
	if w.Code != http.StatusBadGateway {
		t.Errorf("status %d, want 502", w.Code)
	}
	if got := proxy.Crossings()[0].Status; got != http.StatusBadGateway {
		t.Errorf("the crossing has status %d, want 502", got)
	}
}
