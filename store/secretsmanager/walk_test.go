package secretsmanager

import (
	"context"
	"crypto/rand"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssm "github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/google/go-cmp/cmp"

	"github.com/coffer-secrets/coffer/internal/clienttest"
	"github.com/coffer-secrets/coffer/internal/mototest"
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

type walk struct {
	told, stands []string
	seen         []mototest.Request
	err          error
}

// walked runs a command on a service of its own, with the client that the program has.
func walked(t *testing.T, c command, choose func(mototest.Request) *mototest.Fault) walk {
	t.Helper()
	api := "walk-" + strings.ToLower(rand.Text()[:8])
	url := serve(t, nil)
	if !c.fresh {
		s := open(url)
		for _, key := range []string{"k", "k", "gone"} {
			if _, err := s.Write(t.Context(), id(api, key), store.NewValue("old"), store.WriteOptions{}); err != nil {
				t.Fatal(err)
			}
		}
	}
	front := mototest.NewFront(t, url)
	front.Fault(choose)
	s := New(clienttest.SecretsManager(t, front.URL), Options{
		Author: func(context.Context) string { return author }, Now: func() time.Time { return moment },
	})
	results, err := c.run(t.Context(), s, api)
	var told []string
	for _, r := range results {
		told = append(told, fmt.Sprintf("%s %d %s", r.Meta.ID.Key, r.Meta.Version, r.Outcome))
	}
	return walk{told, stands(t, url, api), front.Seen(), err}
}

// stands tells what AWS has of a service: the text, and each version's labels.
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
	return append(labels, secretText(t, url, service))
}

// TestFaultWalkWithTheProgramsClient has each request of each changing command go wrong once, made
// and not made. The command succeeds, says what an undisturbed one says, and has made one version.
func TestFaultWalkWithTheProgramsClient(t *testing.T) {
	mototest.Start(t)
	mototest.Isolate(t)
	full := os.Getenv("COFFER_WALK") == "full"
	faults := mototest.Faults()
	if !full {
		maps.DeleteFunc(faults, func(name string, _ mototest.Fault) bool { return name != "made, answer lost" && name != "dropped" })
	}
	for name, c := range commands() {
		if c.short == nil && !full {
			continue
		}
		undisturbed := walked(t, c, nil)
		if undisturbed.err != nil {
			t.Fatalf("%s: %v", name, undisturbed.err)
		}
		if diff := cmp.Diff(c.want, undisturbed.told); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		for _, at := range undisturbed.seen {
			if !full && !slices.Contains(c.short, at.Operation) {
				continue
			}
			for fault, f := range faults {
				t.Run(fmt.Sprintf("%s/%s %d/%s", name, at.Operation, at.N, fault), func(t *testing.T) {
					t.Parallel()
					got := walked(t, c, func(r mototest.Request) *mototest.Fault {
						if r.Operation == at.Operation && r.N == at.N {
							return &f
						}
						return nil
					})
					if got.err != nil {
						t.Errorf("error: %v", got.err)
					}
					if diff := cmp.Diff(undisturbed.told, got.told); diff != "" {
						t.Errorf("it says %s", diff)
					}
					if diff := cmp.Diff(undisturbed.stands, got.stands); diff != "" {
						t.Errorf("there is %s", diff)
					}
				})
			}
		}
	}
}
