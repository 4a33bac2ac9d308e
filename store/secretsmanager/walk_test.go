package secretsmanager

import (
	"context"
	"crypto/rand"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssm "github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/coffer-secrets/coffer/internal/testing/clienttest"
	"github.com/coffer-secrets/coffer/internal/testing/mototest"
	"github.com/coffer-secrets/coffer/store"
)

// command is one that changes a service.
type command struct {
	fresh bool // there is no such service; else it has "k" in two versions and "gone"
	run   func(ctx context.Context, s *Store, service string) ([]store.Result, error)
	want  []string // the outcomes
	short []string // the operations that are walked where time is short
}

func commands() map[string]command {
	write := func(fresh bool, key string, version int, want string, short ...string) command {
		return command{fresh: fresh, want: []string{want}, short: short, run: func(ctx context.Context, s *Store, service string) ([]store.Result, error) {
			r, err := s.Write(ctx, id(service, key), store.NewValue(canary), store.WriteOptions{IfVersion: &version})
			return []store.Result{r}, err
		}}
	}
	return map[string]command{
		"first":  write(true, "new", 0, "new 1 created", "CreateSecret"),
		"create": write(false, "new", 0, "new 1 created"),
		"update": write(false, "k", 2, "k 3 updated", "PutSecretValue", "UpdateSecretVersionStage"),
		"import": {want: []string{"k 3 updated", "new 1 created"}, run: func(ctx context.Context, s *Store, service string) ([]store.Result, error) {
			return s.WriteAll(ctx, service, map[string]store.Value{"k": store.NewValue(canary), "new": store.NewValue(canary)}, store.WriteOptions{})
		}},
		"delete": {want: []string{"gone 0 deleted"}, short: []string{"UpdateSecretVersionStage"}, run: func(ctx context.Context, s *Store, service string) ([]store.Result, error) {
			return s.Delete(ctx, service, "gone")
		}},
		"delete all": {want: []string{"gone 0 deleted", "k 0 deleted"}, run: func(ctx context.Context, s *Store, service string) ([]store.Result, error) {
			return s.Delete(ctx, service, "gone", "k")
		}},
	}
}

// seeded returns the name of a service that no other test uses, with secrets unless it is to be fresh.
func seeded(t *testing.T, url string, fresh bool) (api string, err error) {
	t.Helper()
	api = "walk-" + strings.ToLower(rand.Text()[:8])
	if fresh {
		return api, nil
	}
	s := open(url)
	for _, key := range []string{"k", "k", "gone"} {
		if _, err := s.Write(t.Context(), id(api, key), store.NewValue("old"), store.WriteOptions{}); err != nil {
			return "", err
		}
	}
	return api, nil
}

// walked runs a command on a service of its own, with the client that the program has.
func walked(t *testing.T, c command, choose func(mototest.Request) *mototest.Fault) mototest.Run {
	t.Helper()
	url := serve(t, nil)
	api, err := seeded(t, url, c.fresh)
	for range 4 { // a busy moto answers 500 to a request beside others: it walks through its secrets without a lock
		if err != nil {
			api, err = seeded(t, url, c.fresh)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	front := mototest.NewFront(t, url)
	front.Fault(choose)
	s := New(clienttest.SecretsManager(t, front.URL), Options{
		Author: func(context.Context) string { return author }, Now: func() time.Time { return moment },
	})
	results, err := c.run(t.Context(), s, api)
	return mototest.Run{Told: mototest.Told(results), Stands: stands(t, url, api), Seen: front.Seen(), Err: err}
}

// stands tells what AWS has of a service: the text without its salts, and each version's labels.
func stands(t *testing.T, url, service string) []string {
	t.Helper()
	out, err := newClient(url).DescribeSecret(t.Context(), &awssm.DescribeSecretInput{SecretId: aws.String(service)})
	if err != nil {
		t.Fatal(err)
	}
	var labels []string
	for stages := range maps.Values(out.VersionIdsToStages) {
		slices.Sort(stages)
		labels = append(labels, strings.Join(slices.Compact(stages), " "))
	}
	slices.Sort(labels)
	salts := regexp.MustCompile(`\\"salt\\":\\"[A-Z2-7]{26}\\"`) // random
	return append(labels, salts.ReplaceAllString(secretText(t, url, service), `\"salt\"`))
}

func TestFaultWalkWithTheProgramsClient(t *testing.T) {
	mototest.Start(t)
	mototest.Isolate(t)
	for name, c := range commands() {
		t.Run(name, func(t *testing.T) {
			mototest.Walk(t, c.want, c.short, func(t *testing.T, choose func(mototest.Request) *mototest.Fault) mototest.Run {
				return walked(t, c, choose)
			})
		})
	}
}
