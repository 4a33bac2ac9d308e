package secretsmanager

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssm "github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/coffer-secrets/coffer/store"
)

func TestADeletedKeyComesBackWithANewHistory(t *testing.T) {
	url, api := serve(t, nil), serviceName(t)
	s, ctx := open(url), t.Context()
	for _, value := range []string{"one", "two"} {
		if _, err := s.Write(ctx, id(api, "k"), store.NewValue(value), store.WriteOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Delete(ctx, api, "k"); err != nil {
		t.Fatal(err)
	}
	for _, value := range []string{"three", "four"} {
		if _, err := s.Write(ctx, id(api, "k"), store.NewValue(value), store.WriteOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	history, err := s.History(ctx, id(api, "k"))
	if err != nil || len(history) != 2 || history[0].Version != 3 || history[1].Version != 4 {
		t.Errorf("history %+v, error %v; want versions 3 and 4", history, err)
	}
	if _, err := s.Read(ctx, id(api, "k"), 2); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("version of before: error is %v; want not found", err)
	}
}

// TestNumbersOfDeletedKeysMakeRoom: what is noted of deleted keys does not fill a service up for
// good, and no number comes again all the same.
func TestNumbersOfDeletedKeysMakeRoom(t *testing.T) {
	url, api := serve(t, nil), serviceName(t)
	deleted := map[string]any{"k": map[string]any{"version": 2, "created": "2026-11-21T20:57:19Z"}, "gone": map[string]any{"version": 41}}
	for i := range 2000 {
		deleted[fmt.Sprintf("branch_%d", i)] = map[string]any{"version": 7}
	}
	metadata, err := json.Marshal(deleted)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(map[string]string{"k": "two", metadataKey: string(metadata)})
	if err != nil {
		t.Fatal(err)
	}
	if len(text) > MaxService || len(text) < MaxService-10_000 {
		t.Fatalf("%d bytes do not make a service that is nearly full", len(text))
	}
	create(t, url, api, string(text))
	s, ctx := open(url), t.Context()
	write := func(key, value string, version int) {
		t.Helper()
		if r, err := s.Write(ctx, id(api, key), store.NewValue(value), store.WriteOptions{}); err != nil || r.Meta.Version != version {
			t.Errorf("%s: version %d, error %v; want version %d", key, r.Meta.Version, err, version)
		}
	}
	write("branch_3", "again", 8) // there is room yet
	write("k", strings.Repeat("x", 20_000), 3)
	write("branch_4", "again", 42) // 7 is forgotten; 41 is above it
	write("gone", "again", 42)
	write("branch_3", "and again", 9)
	if _, err := s.Delete(ctx, api, "gone"); err != nil {
		t.Error(err)
	}
	write("gone", "once more", 43)
	history, err := s.History(ctx, id(api, "gone"))
	if err != nil || len(history) != 1 || history[0].Version != 43 {
		t.Errorf("history %+v, error %v; want version 43 alone", history, err)
	}
	if contents, err := s.Load(ctx, api); err != nil || len(contents.Secrets) != 4 || len(contents.Notices) != 0 {
		t.Errorf("%d secrets, notices %q, error %v", len(contents.Secrets), contents.Notices, err)
	}
	chamber{t, newClient(url)}.write(api, "branch_5", "by chamber")
	write("branch_6", "again", 42) // chamber has kept the number
}

func TestHistoryFollowsPages(t *testing.T) {
	api := serviceName(t)
	var mu sync.Mutex
	pages := 0
	// An empty page with a token comes before the first page of every listing.
	url := serve(t, func(operation string, body []byte, moto *server) (int, []byte) {
		if operation != "ListSecretVersionIds" && operation != "ListSecrets" || strings.Contains(string(body), "NextToken") {
			return 0, nil
		}
		mu.Lock()
		defer mu.Unlock()
		pages++
		return http.StatusOK, []byte(`{"SecretList":[],"Versions":[],"NextToken":"0"}`)
	})
	s, ctx := open(url), t.Context()
	for _, value := range []string{"one", "two", "three"} {
		if _, err := s.Write(ctx, id(api, "k"), store.NewValue(value), store.WriteOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	if history, err := s.History(ctx, id(api, "k")); err != nil || len(history) != 3 {
		t.Errorf("history: %d versions, error %v; want 3", len(history), err)
	}
	if names, err := s.Services(ctx, api); err != nil || len(names) != 1 {
		t.Errorf("services %q, error %v", names, err)
	}
	if pages != 2 {
		t.Errorf("%d empty pages; want 2", pages)
	}
}

// AWS allows 20 labels to a secret; chamber's put fails when it adds the next.
func TestTheOldestVersionsMakeRoomForLabels(t *testing.T) {
	url, api := serve(t, nil), serviceName(t)
	s, ctx := open(url), t.Context()
	const writes = 24
	for n := 1; n <= writes; n++ {
		if _, err := s.Write(ctx, id(api, "k"), store.NewValue(fmt.Sprint(n)), store.WriteOptions{}); err != nil {
			t.Fatal(err)
		}
		out, err := newClient(url).DescribeSecret(ctx, &awssm.DescribeSecretInput{SecretId: aws.String(api)})
		if err != nil {
			t.Fatal(err)
		}
		labels := 0
		for _, list := range out.VersionIdsToStages {
			labels += len(list)
		}
		if labels > maxStages {
			t.Fatalf("%d labels after write %d; want at most %d", labels, n, maxStages)
		}
	}
	history, err := s.History(ctx, id(api, "k"))
	if err != nil || len(history) < 15 || history[len(history)-1].Version != writes {
		t.Fatalf("history: %d versions, error %v; want the last 15 or more", len(history), err)
	}
	for i, m := range history {
		if want := writes - len(history) + 1 + i; m.Version != want {
			t.Errorf("history[%d]: version %d; want %d", i, m.Version, want)
		}
		if got, err := s.Read(ctx, id(api, "k"), m.Version); err != nil || got.Value.Reveal() != fmt.Sprint(m.Version) {
			t.Errorf("version %d: error %v, or another value", m.Version, err)
		}
	}
}

// Writers who meet label one version with the same label, and a server may tell that label once
// for each of them.
func TestALabelThatIsToldOftenTakesOnePlace(t *testing.T) {
	url, api := serve(t, nil), serviceName(t)
	s, ctx := open(url), t.Context()
	write := func(n int) {
		if _, err := s.Write(ctx, id(api, "k"), store.NewValue(fmt.Sprint(n)), store.WriteOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	write(1)
	write(2) // labels the first version CHAMBER1
	c := newClient(url)
	out, err := c.GetSecretValue(ctx, &awssm.GetSecretValueInput{SecretId: aws.String(api)})
	if err != nil {
		t.Fatal(err)
	}
	for range maxStages {
		label := &awssm.UpdateSecretVersionStageInput{SecretId: aws.String(api), VersionStage: aws.String("CHAMBER2"), MoveToVersionId: out.VersionId}
		if _, err := c.UpdateSecretVersionStage(ctx, label); err != nil {
			t.Fatal(err)
		}
	}
	write(3)
	if got, err := s.Read(ctx, id(api, "k"), 1); err != nil || got.Value.Reveal() != "1" {
		t.Errorf("version 1: error %v, or another value", err)
	}
}
