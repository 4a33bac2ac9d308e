//go:build unix

package cmd_test

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/google/go-cmp/cmp"

	"github.com/coffer-secrets/coffer/internal/testing/mototest"
	"github.com/coffer-secrets/coffer/internal/testing/proof"
)

const (
	movedFrom = "alias/rekeyed"
	movedTo   = "alias/rekeyed-2027"
)

// TestARekeyKilledTwentyTimesEndsRight moves 200 secrets on moto in make prove, else 50, is
// killed at twenty random requests, and is run again each time. COFFER_KILLS, the seed that it
// prints, chooses the same again.
func TestARekeyKilledTwentyTimesEndsRight(t *testing.T) {
	t.Parallel()
	keys, kills := proof.Bounded(50, 200), 20
	random := rand.New(rand.NewPCG(killSeed(t), 0))
	r := newRekeyed(t, keys)
	before := r.documents()
	values := r.export()

	killed, runs, places := 0, 0, []string(nil)
	for ; killed < kills && runs < 3*kills; runs++ {
		at := r.anywhere(random, kills-killed)
		ran := r.killedAt(at)
		if ran.died {
			killed++
			places = append(places, ran.place)
		}
		if diff := cmp.Diff(values, r.export()); diff != "" {
			t.Fatalf("after %d runs, the last killed at %s, the values are others:\n%s", runs+1, ran.place, diff)
		}
	}
	t.Logf("%d secrets; %d runs, killed %d times, and %d secrets are left for the last run:\n\t%s", keys, runs, killed, len(r.old), strings.Join(places, "\n\t"))
	if killed < kills {
		t.Errorf("it was killed %d times", killed)
	}

	r.do("rekey team --to "+movedTo, "")
	if diff := cmp.Diff(values, r.export()); diff != "" {
		t.Errorf("the values are others:\n%s", diff)
	}
	after := r.documents()
	for key, d := range after {
		if d.alias != movedTo || d.sealed != movedTo {
			t.Errorf("%s is under %s, sealed with %s", key, d.alias, d.sealed)
		}
		if diff := cmp.Diff(before[key].values, d.values); diff != "" {
			t.Errorf("%s has another history:\n%s", key, diff)
		}
	}
	if len(after) != keys {
		t.Errorf("there are %d secrets; want %d", len(after), keys)
	}
	if names := r.names(); len(names) != keys+1 || !slices.Contains(names, "team/__kms_alias_rekeyed-2027__latest.json") {
		t.Errorf("%d objects, the indexes %v; want that of %s alone", len(names),
			slices.DeleteFunc(names, func(n string) bool { return !strings.HasPrefix(n, "team/__") }), movedTo)
	}
	if got := r.run("doctor team", ""); got.exit != 0 {
		t.Errorf("doctor: exit code %d\n%s%s", got.exit, got.stdout, got.stderr)
	}
	r.door.watch(nil)
	r.do("rekey team --to "+movedTo, "")
	if changes := r.door.changes(); changes != 0 {
		t.Errorf("one more run makes %d changes", changes)
	}
}

// anywhere chooses where the next run dies, with so many to come: so that each moves its share,
// and the last ones come to the end.
func (r *rekeyed) anywhere(random *rand.Rand, toCome int) *trap {
	at := &trap{after: random.IntN(2) == 0, alone: random.IntN(4) == 0}
	share := 2 * len(r.old) / toCome
	switch {
	case len(r.old) == 0:
		at.n = 1 + random.IntN(8)
	case random.IntN(4) == 0:
		at.n = 1 + random.IntN(share+18)
	case toCome < 4:
		at.changes, at.n = true, 1+random.IntN(len(r.old)+4)
	default:
		at.changes, at.n = true, 2+random.IntN(share+1) // the first is that of K1
	}
	return at
}

// rekeyed is a service team on moto behind a door that counts who goes through.
type rekeyed struct {
	*bench
	door   *door
	client *s3.Client
	old    map[string]bool // keys under the old alias, as far as puts have been seen
}

func newRekeyed(t *testing.T, keys int) *rekeyed {
	t.Helper()
	d := newDoor(t, mototest.Start(t), "rekeyed")
	r := &rekeyed{bench: newMotoBench(t, d.url, "rekeyed"), door: d, old: map[string]bool{}}
	r.env = append(r.env, "COFFER_RETRIES=3")
	r.client = s3.New(s3.Options{
		Region: "eu-west-1", BaseEndpoint: &d.url, UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider("moto", "moto", ""),
	})
	r.do("init --yes --without policy --without check", "")
	r.do("init --yes --without policy --without check --kms-key-alias "+movedTo, "")
	for version, share := range []int{1, 2, 4} { // all have one version, each second two, each fourth three
		secrets := map[string]string{}
		for i := 0; i < keys; i += share {
			key := fmt.Sprintf("key_%03d", i)
			secrets[key] = fmt.Sprintf("%s-%s-%d", canary, key, version+1)
			r.old[key] = true
		}
		text, err := json.Marshal(secrets)
		if err != nil {
			t.Fatal(err)
		}
		r.do("import team - -q", string(text))
	}
	return r
}

// killedAt runs the rekey and kills it at a request.
func (r *rekeyed) killedAt(at *trap) killed {
	r.Helper()
	ran := r.door.kills(r.bench, "rekey team --to "+movedTo, at)
	for key := range r.old {
		if r.door.stored("team/" + key + ".json") {
			delete(r.old, key)
		}
	}
	return ran
}

func (r *rekeyed) export() map[string]string {
	r.Helper()
	got := r.run("export team --format json -q", "")
	values := map[string]string{}
	if err := json.Unmarshal([]byte(got.stdout), &values); got.exit != 0 || err != nil {
		r.Fatalf("export: exit code %d, %v\n%s", got.exit, err, got.stderr)
	}
	return values
}

func (r *rekeyed) names() []string {
	r.Helper()
	out, err := r.client.ListObjectsV2(r.Context(), &s3.ListObjectsV2Input{Bucket: aws.String("rekeyed"), Prefix: aws.String("team/")})
	if err != nil {
		r.Fatal(err)
	}
	var names []string
	for _, o := range out.Contents {
		names = append(names, aws.ToString(o.Key))
	}
	return names
}

type storedSecret struct {
	alias, sealed string
	values        map[string]any
}

// documents reads the objects of all secrets as they are stored.
func (r *rekeyed) documents() map[string]storedSecret {
	r.Helper()
	all := map[string]storedSecret{}
	for _, name := range r.names() {
		key := strings.TrimSuffix(strings.TrimPrefix(name, "team/"), ".json")
		if strings.HasPrefix(key, "__") {
			continue
		}
		out, err := r.client.GetObject(r.Context(), &s3.GetObjectInput{Bucket: aws.String("rekeyed"), Key: &name})
		if err != nil {
			r.Fatal(err)
		}
		body, err := io.ReadAll(out.Body)
		if err != nil {
			r.Fatal(err)
		}
		var stored struct {
			Alias  string `json:"kms_alias"`
			Values map[string]any
		}
		if err := json.Unmarshal(body, &stored); err != nil {
			r.Fatal(err)
		}
		all[key] = storedSecret{stored.Alias, aws.ToString(out.SSEKMSKeyId), stored.Values}
	}
	return all
}
