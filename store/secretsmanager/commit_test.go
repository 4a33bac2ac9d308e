package secretsmanager

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/google/go-cmp/cmp"

	"github.com/coffer-secrets/coffer/store"
)

const swap = "the move of AWSCURRENT"

// step tells the request that makes a version current from those that move other labels.
func step(operation string, body []byte) string {
	if operation == "UpdateSecretVersionStage" && strings.Contains(string(body), stageCurrent) {
		return swap
	}
	return operation
}

func TestAWriterWhoComesBetween(t *testing.T) {
	moto := serve(t, nil)
	for name, c := range map[string]struct {
		before, at string // the operation before which the other writer comes
		ifVersion  *int
		want       error
	}{
		"unconditional update": {at: swap, before: "one"},
		"conditional update":   {at: swap, before: "one", ifVersion: aws.Int(1), want: store.ErrConflict},
		"before the labels":    {at: "UpdateSecretVersionStage", before: "one", ifVersion: aws.Int(1), want: store.ErrConflict},
		"before the put":       {at: "PutSecretValue", before: "one", ifVersion: aws.Int(1), want: store.ErrConflict},
		"unconditional create": {at: "CreateSecret"},
		"conditional create":   {at: "CreateSecret", ifVersion: aws.Int(0), want: store.ErrConflict},
	} {
		t.Run(name, func(t *testing.T) {
			api := serviceName(t)
			other := chamber{t, newClient(moto)}
			if c.before != "" {
				other.write(api, "k", c.before)
			}
			var once sync.Once
			url := serve(t, func(operation string, body []byte, _ *server) (int, []byte) {
				if step(operation, body) == c.at {
					once.Do(func() { other.write(api, "k", "theirs"); other.write(api, "more", "theirs") })
				}
				return 0, nil
			})
			r, err := open(url).Write(t.Context(), id(api, "k"), store.NewValue("ours"), store.WriteOptions{IfVersion: c.ifVersion})
			if !errors.Is(err, c.want) {
				t.Fatalf("error is %v; want %v", err, c.want)
			}
			object, metadata := other.latest(api)
			want := map[string]string{"k": "theirs", "more": "theirs"}
			if c.want == nil {
				want["k"] = "ours"
				if r.Meta.Version != metadata["k"].Version {
					t.Errorf("version %d; stored as %d", r.Meta.Version, metadata["k"].Version)
				}
			}
			delete(object, metadataKey)
			if diff := cmp.Diff(want, object); diff != "" {
				t.Error(diff)
			}
			for _, value := range other.versions(api, "k") {
				if value == "ours" && c.want != nil {
					t.Error("chamber's history shows the value that was not written")
				}
			}
		})
	}
}

// The value and the labels of a secret are asked for at once: it may be made in between.
func TestASecretThatIsMadeBetweenTwoRequests(t *testing.T) {
	moto := serve(t, nil)
	api := serviceName(t)
	other := chamber{t, newClient(moto)}
	made := make(chan struct{})
	var once sync.Once
	url := serve(t, func(operation string, _ []byte, _ *server) (status int, answer []byte) {
		switch operation {
		case "DescribeSecret":
			once.Do(func() {
				status, answer = http.StatusBadRequest, []byte(`{"__type":"ResourceNotFoundException"}`)
				other.write(api, "more", "theirs")
				close(made)
			})
		case "GetSecretValue":
			<-made
		}
		return status, answer
	})
	if _, err := open(url).Write(t.Context(), id(api, "k"), store.NewValue("ours"), store.WriteOptions{}); err != nil {
		t.Fatal(err)
	}
	object, _ := other.latest(api)
	delete(object, metadataKey)
	if diff := cmp.Diff(map[string]string{"k": "ours", "more": "theirs"}, object); diff != "" {
		t.Error(diff)
	}
}

// Each store here is a process of its own.
func TestWritersLoseNothingOfOneAnother(t *testing.T) {
	url, api := serve(t, nil), serviceName(t)
	const writers, rounds = 4, 4
	var running sync.WaitGroup
	for w := range writers {
		running.Go(func() {
			s := open(url)
			for n := range rounds {
				key := fmt.Sprintf("key-%d-%d", w, n)
				if _, err := s.Write(t.Context(), id(api, key), store.NewValue(key), store.WriteOptions{}); err != nil {
					t.Error(err)
				}
				if _, err := s.Write(t.Context(), id(api, "shared"), store.NewValue(key), store.WriteOptions{}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	running.Wait()
	contents, err := open(url).Load(t.Context(), api)
	if err != nil || contents.Listed != writers*rounds+1 {
		t.Fatalf("%d listed, error %v; want %d", contents.Listed, err, writers*rounds+1)
	}
	for _, secret := range contents.Secrets {
		switch {
		case secret.ID.Key == "shared" && secret.Version != writers*rounds:
			t.Errorf("shared has version %d; want %d", secret.Version, writers*rounds)
		case secret.ID.Key != "shared" && secret.Value.Reveal() != secret.ID.Key:
			t.Errorf("%s has another value", secret.ID)
		}
	}
}

// lostAnswers are the ways in which the answer of a change can get lost.
var lostAnswers = map[string]struct {
	operation string
	apply     bool   // the change is made before its answer is lost
	repeat    bool   // and then made once more, as the SDK does
	refused   string // or refused as if another one had made it
	after     string // what chamber writes then
	blind     bool   // nothing can be read afterwards
	want      error
}{
	"create, stored":                 {operation: "CreateSecret", apply: true},
	"create, not stored":             {operation: "CreateSecret", want: store.ErrUnavailable},
	"create, cannot be told":         {operation: "CreateSecret", apply: true, blind: true, want: store.ErrUnknown},
	"create, stored and moved on":    {operation: "CreateSecret", apply: true, after: "other"},
	"create, stored and repeated":    {operation: "CreateSecret", apply: true, repeat: true},
	"create, stored and refused":     {operation: "CreateSecret", apply: true, refused: "ResourceExistsException"}, // by servers that know no tokens
	"swap, stored":                   {operation: swap, apply: true},
	"swap, repeated, cannot be told": {operation: swap, apply: true, repeat: true, blind: true, want: store.ErrUnknown},
	"swap, stored and repeated":      {operation: swap, apply: true, repeat: true},
	"swap, not stored":               {operation: swap, want: store.ErrUnavailable},
	"swap, cannot be told":           {operation: swap, apply: true, blind: true, want: store.ErrUnknown},
	"swap, stored and moved on":      {operation: swap, apply: true, after: "other"},
	"swap, stored and overwritten":   {operation: swap, apply: true, after: "k", want: store.ErrUnknown},
	"put":                            {operation: "PutSecretValue", apply: true, want: store.ErrUnavailable},
}

func TestALostAnswerIsLookedUp(t *testing.T) {
	for name, c := range lostAnswers {
		t.Run(name, func(t *testing.T) {
			moto, api := serve(t, nil), serviceName(t)
			other := chamber{t, newClient(moto)}
			if c.operation != "CreateSecret" {
				other.write(api, "old", "one")
			}
			lost := false
			url := serve(t, func(operation string, body []byte, moto *server) (int, []byte) {
				switch {
				case step(operation, body) == c.operation && !lost:
					lost = true
					if c.apply {
						_, _ = moto.do(operation, body)
					}
					if c.after != "" {
						other.write(api, c.after, "theirs")
					}
					if c.refused != "" {
						return http.StatusBadRequest, refusal(c.refused, "")
					}
					if c.repeat {
						return moto.do(operation, body)
					}
					return http.StatusInternalServerError, refusal("InternalServiceError", "")
				case lost && c.blind && operation == "GetSecretValue":
					return http.StatusInternalServerError, refusal("InternalServiceError", "")
				}
				return 0, nil
			})
			r, err := open(url).Write(t.Context(), id(api, "k"), store.NewValue(canary), store.WriteOptions{})
			if !errors.Is(err, c.want) || c.want == nil && (r.Outcome != store.Created || r.Meta.Version != 1) {
				t.Errorf("%s version %d, error %v; want error %v", r.Outcome, r.Meta.Version, err, c.want)
			}
		})
	}
}
