package ssm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsssm "github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"
	"github.com/google/go-cmp/cmp"

	"github.com/coffer-secrets/coffer/internal/testing/mototest"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/admin"
)

const opsAlias = "alias/ops"

// under opens a store whose key is alias/ops, and sends each request once.
func under(t *testing.T, url string) *Store {
	t.Helper()
	s, err := New(newClient(url, 1), Options{KeyAlias: opsAlias})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func label(t *testing.T, url, name string, number int64, labels ...string) {
	t.Helper()
	if _, err := patient(url).LabelParameterVersion(t.Context(), &awsssm.LabelParameterVersionInput{
		Name: aws.String(name), Labels: labels, ParameterVersion: aws.Int64(number),
	}); err != nil {
		t.Fatal(err)
	}
}

// recordedAs is what Parameter Store itself has of a parameter: number, description, value, key
// and labels of each version.
func recordedAs(t *testing.T, url, name string) []string {
	t.Helper()
	var out []string
	in := &awsssm.GetParameterHistoryInput{Name: aws.String(name), WithDecryption: aws.Bool(true)}
	history, err := patient(url).GetParameterHistory(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range history.Parameters {
		out = append(out, strings.TrimSpace(fmt.Sprintf("%d %s %s %s %s", p.Version, aws.ToString(p.Description), *p.Value, *p.KeyId, strings.Join(p.Labels, ","))))
	}
	return out
}

// changing counts the requests that change something.
type changing struct {
	mu    sync.Mutex
	names []string
}

func (c *changing) hook(operation string, _ []byte, _ func([]byte) (int, []byte)) (int, []byte) {
	if strings.HasPrefix(operation, "Put") || strings.HasPrefix(operation, "Label") || strings.HasPrefix(operation, "Delete") || strings.HasPrefix(operation, "Add") {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.names = append(c.names, operation)
	}
	return 0, nil
}

func outcomes(results []store.Result) []string {
	var out []string
	for _, r := range results {
		out = append(out, fmt.Sprintf("%s %d %s from %s", r.Meta.ID.Key, r.Meta.Version, r.Outcome, r.Meta.KeyAlias))
	}
	return out
}

func TestRekeyPutsTheNewestVersionAgainUnderTheSameNumber(t *testing.T) {
	moto := mototest.Start(t)
	c := &changing{}
	s, api, ctx := under(t, proxy(t, c.hook)), service(t), t.Context()
	put(t, moto, "/"+api+"/k", "one", "1")
	put(t, moto, "/"+api+"/k", "two", "2")
	put(t, moto, "/"+api+"/plain", "three", "made by terraform")
	put(t, moto, "/"+api+"/nested/k", "four", "1")
	label(t, moto, "/"+api+"/k", 1, "stable")
	label(t, moto, "/"+api+"/k", 2, "next")
	app := open(t, moto)
	if err := app.WriteTags(ctx, id(api, "k"), map[string]string{"team": "core"}); err != nil {
		t.Fatal(err)
	}
	before, err := app.History(ctx, id(api, "k"))
	if err != nil {
		t.Fatal(err)
	}

	want := []string{"k 2 moved from " + testAlias, "plain 1 moved from " + testAlias}
	plan, err := s.Rekey(ctx, api, admin.RekeyOptions{DryRun: true})
	if diff := cmp.Diff(want, outcomes(plan)); err != nil || diff != "" || len(c.names) > 0 {
		t.Errorf("the plan made %q; error %v, %s", c.names, err, diff)
	}
	if plan, err := s.Rekey(ctx, api, admin.RekeyOptions{DryRun: true, From: "alias/other"}); err != nil || len(plan) > 0 {
		t.Errorf("from another alias: %q, error %v; want nothing", outcomes(plan), err)
	}
	results, err := s.Rekey(ctx, api, admin.RekeyOptions{From: testAlias})
	if diff := cmp.Diff(want, outcomes(results)); err != nil || diff != "" {
		t.Errorf("error %v, %s", err, diff)
	}
	kept := []string{"1 1 one " + testAlias + " stable", "2 2 two " + testAlias, "3 +2 two " + opsAlias + " next"}
	if diff := cmp.Diff(kept, recordedAs(t, moto, "/"+api+"/k")); diff != "" {
		t.Error(diff)
	}

	// The history has each version once, by who wrote it and when.
	after, err := s.History(ctx, id(api, "k"))
	before[1].KeyAlias = opsAlias
	if diff := cmp.Diff(before, after); err != nil || diff != "" {
		t.Errorf("error %v, history %s", err, diff)
	}
	wantMoved(t, s, api)

	c.names = nil
	if again, err := s.Rekey(ctx, api, admin.RekeyOptions{}); err != nil || len(again) > 0 || len(c.names) > 0 {
		t.Errorf("again: %q, %q, error %v; want nothing", outcomes(again), c.names, err)
	}
	wantChambersNumber(t, s, "/"+api+"/k", 2)
	if r, err := s.Write(ctx, id(api, "k"), store.NewValue("three"), store.WriteOptions{}); err != nil || r.Meta.Version != 3 {
		t.Errorf("the next write: version %d, error %v; want 3", r.Meta.Version, err)
	}
	if got := recordedAs(t, moto, "/"+api+"/nested/k"); !strings.Contains(got[0], testAlias) || len(got) != 1 {
		t.Errorf("another service: %q", got)
	}
}

// wantChambersNumber wants a number in the description, which chamber takes for the version: the next
// version follows for it too.
func wantChambersNumber(t *testing.T, s *Store, parameter string, want int) {
	t.Helper()
	if described, err := s.describe(t.Context(), "Name", "Equals", parameter); err != nil || len(described) != 1 {
		t.Errorf("%d described, error %v", len(described), err)
	} else if n, err := strconv.Atoi(aws.ToString(described[0].Description)); n != want || err != nil {
		t.Errorf("chamber reads version %d, error %v; want %d", n, err, want)
	}
}

// wantMoved wants both versions of k readable by number and label, with its tags, after its rekey.
func wantMoved(t *testing.T, s *Store, api string) {
	t.Helper()
	ctx := t.Context()
	for version, value := range map[int]string{1: "one", 2: "two", store.Latest: "two"} {
		if got, err := s.Read(ctx, id(api, "k"), version); err != nil || got.Value.Reveal() != value {
			t.Errorf("version %d: another value, or error %v", version, err)
		}
	}
	for name, version := range map[string]int{"stable": 1, "next": 2} {
		if got, err := s.ReadLabel(ctx, id(api, "k"), name); err != nil || got.Version != version {
			t.Errorf("%s: version %d, error %v; want %d", name, got.Version, err, version)
		}
	}
	contents, err := s.LoadLabel(ctx, api, "next")
	if len(contents.Secrets) != 1 {
		t.Fatalf("by label: %d secrets, error %v; want k", len(contents.Secrets), err)
	}
	if k := contents.Secrets[0]; k.Version != 2 || k.KeyAlias != opsAlias || k.Value.Reveal() != "two" {
		t.Errorf("by label: version %d under %s; want the moved version 2", k.Version, k.KeyAlias)
	}
	if tags, err := s.ReadTags(ctx, id(api, "k")); err != nil || tags["team"] != "core" {
		t.Errorf("tags %v, error %v", tags, err)
	}
}

func TestRekeyOfWhatNoAliasNames(t *testing.T) {
	moto := mototest.Start(t)
	const arn = "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
	s, api := under(t, moto), service(t)
	for name, in := range map[string]*awsssm.PutParameterInput{
		"arn":     {Type: types.ParameterTypeSecureString, KeyId: aws.String(arn), Tier: types.ParameterTierAdvanced},
		"default": {Type: types.ParameterTypeSecureString},
		"open":    {Type: types.ParameterTypeString},
	} {
		in.Name, in.Value, in.AllowedPattern = aws.String("/"+api+"/"+name), aws.String("value"), aws.String("^v")
		if _, err := patient(moto).PutParameter(t.Context(), in); err != nil {
			t.Fatal(err)
		}
	}
	if plan, err := s.Rekey(t.Context(), api, admin.RekeyOptions{From: arn, DryRun: true}); err != nil || len(plan) != 1 || plan[0].Meta.KeyAlias != arn {
		t.Errorf("from the ARN: %q, error %v", outcomes(plan), err)
	}
	results, err := s.Rekey(t.Context(), api, admin.RekeyOptions{})
	want := []string{"arn 1 moved from " + arn, "default 1 moved from alias/aws/ssm", "open 1 failed from "}
	if diff := cmp.Diff(want, outcomes(results)); !errors.Is(err, store.ErrConflict) || !strings.Contains(err.Error(), "not encrypted") || diff != "" {
		t.Errorf("error %v, %s", err, diff)
	}
	described, err := s.describe(t.Context(), "Name", "Equals", "/"+api+"/arn")
	if err != nil || len(described) != 1 || described[0].Tier != types.ParameterTierAdvanced || aws.ToString(described[0].AllowedPattern) != "^v" {
		t.Errorf("%+v, error %v; want an advanced parameter with its pattern", described, err)
	}
}

func TestRekeyUnderTheSameAliasPutsAllOfItAgain(t *testing.T) {
	moto := mototest.Start(t)
	var notices []string
	s, err := New(patient(moto), Options{KeyAlias: testAlias, Notice: func(text string) { notices = append(notices, text) }})
	if err != nil {
		t.Fatal(err)
	}
	api := service(t)
	put(t, moto, "/"+api+"/k", "one", "7")
	label(t, moto, "/"+api+"/k", 1, "prod")
	for n := range 2 {
		results, err := s.Rekey(t.Context(), api, admin.RekeyOptions{Rewrite: true})
		if diff := cmp.Diff([]string{"k 7 moved from " + testAlias}, outcomes(results)); err != nil || diff != "" {
			t.Errorf("run %d: error %v, %s", n, err, diff)
		}
	}
	want := []string{"1 7 one " + testAlias, "2 +7 one " + testAlias, "3 +7 one " + testAlias + " prod"}
	if diff := cmp.Diff(want, recordedAs(t, moto, "/"+api+"/k")); diff != "" {
		t.Error(diff)
	}
	if metas, err := s.History(t.Context(), id(api, "k")); err != nil || len(metas) != 1 || metas[0].Version != 7 {
		t.Errorf("history %v, error %v; want version 7 alone", metas, err)
	}
	if len(notices) != 4 || !strings.Contains(notices[0], "doesn't report which key") || !strings.Contains(notices[1], "the history stays encrypted under the old keys") {
		t.Errorf("notices %q", notices)
	}
}

// TestRekeyWithAFaultAtEachRequest fails each request, made and not made, and ends the run with
// each. Whatever was reported, nothing is lost, and a second run ends where an undisturbed one does.
func TestRekeyWithAFaultAtEachRequest(t *testing.T) {
	moto := mototest.Start(t)
	for name, c := range map[string]struct{ applied, ends bool }{
		"not made": {}, "made": {applied: true}, "interrupted": {ends: true}, "made and interrupted": {applied: true, ends: true},
	} {
		t.Run(name, func(t *testing.T) {
			moved := 0
			for at := 1; ; at++ {
				api := service(t)
				put(t, moto, "/"+api+"/k", "one", "1")
				put(t, moto, "/"+api+"/k", "two", "2")
				label(t, moto, "/"+api+"/k", 2, "prod")
				ctx, cancel := context.WithCancel(t.Context())
				var n atomic.Int64
				s := under(t, proxy(t, func(_ string, body []byte, forward func([]byte) (int, []byte)) (int, []byte) {
					if n.Add(1) != int64(at) {
						return 0, nil
					}
					if c.applied {
						forward(body)
					}
					if c.ends {
						cancel()
					}
					return http.StatusInternalServerError, refusal("InternalServerError", "")
				}))
				results, err := s.Rekey(ctx, api, admin.RekeyOptions{})
				cancel()
				reached := n.Swap(1000) >= int64(at) // what follows goes well
				switch {
				case err == nil:
					moved++
				case strings.Contains(strings.ReplaceAll(err.Error(), api, ""), "two"): // the name of the service is random
					t.Errorf("fault %d: the error tells the value", at)
				}
				if err == nil && (len(results) != 1 || results[0].Outcome != store.Moved) {
					t.Errorf("fault %d: %q without an error", at, outcomes(results))
				}
				if got, err := s.ReadLabel(t.Context(), id(api, "k"), "prod"); err != nil || got.Value.Reveal() != "two" {
					t.Errorf("fault %d: the label is lost: error %v", at, err)
				}
				if _, err := s.Rekey(t.Context(), api, admin.RekeyOptions{}); err != nil {
					t.Errorf("fault %d: the second run: %v", at, err)
				}
				want := []string{"1 1 one " + testAlias, "2 2 two " + testAlias, "3 +2 two " + opsAlias + " prod"}
				if diff := cmp.Diff(want, recordedAs(t, moto, "/"+api+"/k")); diff != "" {
					t.Errorf("fault %d (%v): %s", at, err, diff)
				}
				if !reached {
					if at < 6 || moved == 0 {
						t.Errorf("%d requests, %d runs that went well; want the walk of a whole rekey", at-1, moved)
					}
					return
				}
			}
		})
	}
}

func TestLabelsThatAreBehindAreMovedByTheNextRun(t *testing.T) {
	moto := mototest.Start(t)
	api := service(t)
	put(t, moto, "/"+api+"/k", "one", "1")
	label(t, moto, "/"+api+"/k", 1, "prod")
	s := under(t, proxy(t, refusing("AccessDeniedException", "LabelParameterVersion")))
	results, err := s.Rekey(t.Context(), api, admin.RekeyOptions{})
	if !errors.Is(err, ErrLabelsBehind) || !errors.Is(err, store.ErrDenied) || len(results) != 1 || results[0].Outcome != store.Failed {
		t.Fatalf("%q, error %v; want labels that are behind", outcomes(results), err)
	}
	c := &changing{}
	s = under(t, proxy(t, c.hook))
	plan, err := s.Rekey(t.Context(), api, admin.RekeyOptions{DryRun: true})
	if diff := cmp.Diff([]string{"k 1 moved from " + testAlias}, outcomes(plan)); err != nil || diff != "" {
		t.Errorf("the plan: error %v, %s", err, diff)
	}
	if _, err := s.Rekey(t.Context(), api, admin.RekeyOptions{}); err != nil || !cmp.Equal(c.names, []string{"LabelParameterVersion"}) {
		t.Errorf("%q, error %v; want the label alone", c.names, err)
	}
	if diff := cmp.Diff([]string{"1 1 one " + testAlias, "2 +1 one " + opsAlias + " prod"}, recordedAs(t, moto, "/"+api+"/k")); diff != "" {
		t.Error(diff)
	}
}

func TestRekeyOfAHundredVersionsWithALabelOnTheOldest(t *testing.T) {
	moto := mototest.Start(t)
	api := service(t)
	for n := 1; n <= 100; n++ {
		put(t, moto, "/"+api+"/k", "value", "")
	}
	label(t, moto, "/"+api+"/k", 1, "stable")
	_, err := under(t, moto).Rekey(t.Context(), api, admin.RekeyOptions{})
	if !errors.Is(err, store.ErrConflict) || !strings.Contains(err.Error(), "100 versions and the oldest has a label") {
		t.Errorf("error is %v; want one that tells of the label", err)
	}
}

// Parameter Store opens a whole history or nothing: who has lost the old key still reads what
// was moved.
func TestWhatWasMovedIsReadWithoutTheOldKey(t *testing.T) {
	moto := mototest.Start(t)
	api := service(t)
	put(t, moto, "/"+api+"/k", "one", "1")
	put(t, moto, "/"+api+"/k", "two", "2")
	label(t, moto, "/"+api+"/k", 2, "prod")
	if _, err := under(t, moto).Rekey(t.Context(), api, admin.RekeyOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, code := range []string{"AccessDeniedException", "InvalidKeyId"} {
		s := under(t, proxy(t, func(operation string, body []byte, _ func([]byte) (int, []byte)) (int, []byte) {
			var in struct {
				WithDecryption bool
				Names          []string
			}
			_ = json.Unmarshal(body, &in)
			old := operation == "GetParameters" && !strings.HasSuffix(in.Names[0], ":3")
			if in.WithDecryption && (operation == "GetParameterHistory" || old) {
				return http.StatusBadRequest, refusal(code, "the key of an older version")
			}
			return 0, nil
		}))
		if got, err := s.Read(t.Context(), id(api, "k"), 2); err != nil || got.Value.Reveal() != "two" {
			t.Errorf("%s: version 2: another value, or error %v", code, err)
		}
		if got, err := s.ReadLabel(t.Context(), id(api, "k"), "prod"); err != nil || got.Value.Reveal() != "two" {
			t.Errorf("%s: by label: another value, or error %v", code, err)
		}
		if _, err := s.Read(t.Context(), id(api, "k"), 1); err == nil || errors.Is(err, store.ErrNotFound) {
			t.Errorf("%s: version 1: error is %v; want the refusal", code, err)
		}
	}
}

func TestRekeySendsFewRequestsAtOnce(t *testing.T) {
	moto := mototest.Start(t)
	api := service(t)
	for n := range 12 {
		put(t, moto, fmt.Sprintf("/%s/k%02d", api, n), "one", "1")
	}
	var mu sync.Mutex
	running, most := 0, 0
	s := under(t, proxy(t, func(_ string, body []byte, forward func([]byte) (int, []byte)) (int, []byte) {
		mu.Lock()
		running++
		most = max(most, running)
		mu.Unlock()
		defer func() { mu.Lock(); running--; mu.Unlock() }()
		return forward(body)
	}))
	done := 0
	results, err := s.Rekey(t.Context(), api, admin.RekeyOptions{Progress: func(store.Result) { mu.Lock(); done++; mu.Unlock() }})
	if err != nil || len(results) != 12 || done != 12 || most > requests {
		t.Errorf("%d results, %d told, %d requests at once, error %v", len(results), done, most, err)
	}
}
