//go:build unix

package cmd_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/coffer-secrets/coffer/internal/testing/mototest"
	"github.com/coffer-secrets/coffer/internal/testing/s3test"
)

// keyUse is a row of keys, as it is told to programs.
type keyUse struct {
	Alias, Key, State, Usable, Current   string
	Secrets, Hidden, Indexes, Tombstones int
}

func keyUses(b *bench, args string) []keyUse {
	b.Helper()
	got := b.run("keys --json "+args, "")
	if got.exit != 0 || strings.Contains(got.stdout+got.stderr, canary) {
		b.Fatalf("keys %s: %+v", args, got)
	}
	var uses []keyUse
	if err := json.Unmarshal([]byte(got.stdout), &uses); err != nil {
		b.Fatal(err)
	}
	return uses
}

func TestKeysOnS3(t *testing.T) {
	const sure, enabled = "yes", "enabled"
	ops := func(b *bench) string { return b.KMS.ARN("alias/ops") }
	for name, test := range map[string]struct {
		setup func(*bench)
		args  string
		ops   keyUse // what is told of alias/ops, but for the key
	}{
		"all is well": {
			ops: keyUse{Alias: "alias/ops", State: enabled, Usable: sure, Current: sure, Secrets: 1, Indexes: 1},
		},
		"a denied key": {
			setup: policy(s3test.Policy{DenyDecrypt: []string{"alias/ops"}}),
			ops:   keyUse{Alias: "alias/ops", State: enabled, Usable: "no", Current: sure, Secrets: 1, Hidden: 1, Indexes: 1},
		},
		"KMS that tells nothing": {
			setup: policy(s3test.Policy{DenyDescribe: true}),
			ops:   keyUse{Alias: "alias/ops", State: "unknown", Usable: sure, Current: "unknown", Secrets: 1, Indexes: 1},
		},
		"a disabled key": {
			setup: func(b *bench) { b.KMS.SetState("alias/ops", s3test.Disabled) },
			ops:   keyUse{Alias: "alias/ops", State: "disabled", Usable: "no", Current: sure, Secrets: 1, Indexes: 1},
		},
		"a key that is about to be deleted": {
			setup: func(b *bench) { b.KMS.SetState("alias/ops", s3test.PendingDeletion) },
			ops:   keyUse{Alias: "alias/ops", State: "pending deletion", Usable: "no", Current: sure, Secrets: 1, Indexes: 1},
		},
		"an alias that is gone": {
			setup: func(b *bench) { b.KMS.DeleteAlias("alias/ops") },
			ops:   keyUse{Alias: "alias/ops", State: enabled, Usable: sure, Current: "no", Secrets: 1, Indexes: 1},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, s3test.Options{})
			team(b)
			test.ops.Key = ops(b)
			want := []keyUse{
				{Alias: "alias/app", Key: b.KMS.ARN("alias/app"), State: enabled, Usable: sure, Current: sure, Secrets: 1, Indexes: 1},
				test.ops,
			}
			if name == "KMS that tells nothing" {
				want[0].State, want[0].Current = "unknown", "unknown"
			}
			if test.setup != nil {
				test.setup(b)
			}
			if diff := cmp.Diff(want, keyUses(b, "team")); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// An alias is pointed to another key: what was stored before stays under the old one until it
// is stored anew.
func TestKeysFollowsAnAliasToItsNewKey(t *testing.T) {
	b := newBench(t, s3test.Options{})
	old := b.KMS.ARN("alias/app")
	b.do("import team -", `{"a":"`+canary+`","b":"`+canary+`"}`)
	fresh := b.KMS.CreateKey()
	b.KMS.PointAlias("alias/app", fresh)
	b.do("write team c -", canary) // and the index with it

	row := func(key, current string, secrets, indexes int) keyUse {
		return keyUse{Alias: "alias/app", Key: key, State: "enabled", Usable: "yes", Current: current, Secrets: secrets, Indexes: indexes}
	}
	if diff := cmp.Diff([]keyUse{row(old, "no", 2, 0), row(fresh, "yes", 1, 1)}, keyUses(b, "")); diff != "" {
		t.Error(diff)
	}
	got := b.run("keys --key "+old, "")
	if want := "coffer rekey team --same --kms-key-alias alias/app"; got.exit != 0 || !strings.Contains(got.stderr, want) || !strings.Contains(got.stderr, "2 objects under "+old) {
		t.Errorf("exit code %d\n%s", got.exit, got.stderr)
	}
	// Nothing opened it: an index that is under the new key vouches for what is under the old one.
	b.SetPolicy(dev.AccessKeyID, s3test.Policy{DenyDecrypt: []string{old}})
	if uses := keyUses(b, "--key "+old); len(uses) != 1 || uses[0].Usable != "no" {
		t.Errorf("under a key that is denied: %+v", uses)
	}
	b.SetPolicy(dev.AccessKeyID, s3test.Policy{})

	b.do("rekey team --same", "")
	if diff := cmp.Diff([]keyUse{row(fresh, "yes", 3, 1)}, keyUses(b, "")); diff != "" {
		t.Error(diff)
	}
	if got := b.run("keys --key "+old, ""); got.exit != 0 || !strings.Contains(got.stderr, "0 objects under ") {
		t.Errorf("exit code %d\n%s", got.exit, got.stderr)
	}
}

// A service that may not be looked at keeps none of the others from being told.
func TestKeysTellsWhatItMay(t *testing.T) {
	b := newBench(t, s3test.Options{})
	team(b)
	b.do("write web key -", canary)
	b.SetPolicy(dev.AccessKeyID, s3test.Policy{ListPrefixes: []string{"web/"}})
	got := b.run("keys team web", "")
	if got.exit != 5 || !strings.Contains(got.stdout, "\nweb\t") || strings.Contains(got.stdout, "\nteam\t") || !strings.Contains(got.stderr, "not allowed to list") {
		t.Errorf("%+v", got)
	}
	if got := b.run("keys", ""); got.exit != 5 || got.stdout != "" {
		t.Errorf("all services: %+v", got)
	}
}

// Parameter Store names an alias and no key.
func TestKeysOfParameterStore(t *testing.T) {
	b := onMoto(t, "eu-central-1", "ssm")
	b.do("write svc key -", canary)
	want := []keyUse{{Alias: "alias/parameter_store_key", Usable: "yes", Secrets: 1}}
	if diff := cmp.Diff(want, keyUses(b, "")); diff != "" {
		t.Error(diff)
	}
}

// A server that names keys by their aliases does not tell which key an alias stands for.
func TestKeysWhereTheServerNamesAliases(t *testing.T) {
	b := newMotoBench(t, mototest.Start(t), "keys-by-alias")
	b.do("init --yes --without policy --without check", "")
	b.do("write svc key -", canary)
	if got := b.table("keys svc"); !strings.HasPrefix(strings.Split(got, "\n")[1], "svc alias/keys-by-alias alias/keys-by-alias 1 1 enabled yes unknown 20") {
		t.Errorf("%q", got)
	}
	if got := b.table("keys svc --key alias/keys-by"); strings.Contains(got, "\nsvc") {
		t.Errorf("the beginning of an alias is another alias: %q", got)
	}
}

// Without keys of one's own there is what the storage says of its.
func TestKeysOfPlainS3(t *testing.T) {
	b := newBench(t, s3test.Options{})
	b.env = append(b.env, "COFFER_BACKEND=s3", "COFFER_KMS_KEY_ALIAS=")
	b.do("write svc key -", canary)
	if diff := cmp.Diff([]keyUse{{Usable: "yes", Secrets: 1, Indexes: 1}}, keyUses(b, "")); diff != "" {
		t.Error(diff)
	}
	if got := b.table("keys svc"); !strings.HasPrefix(strings.Split(got, "\n")[1], "svc - AES256 1 1 - yes - 20") {
		t.Errorf("%q", got)
	}
}

// TestWireOfKeys counts what 1,000 secrets cost: a HEAD each, which tells the key and opens nothing.
func TestWireOfKeys(t *testing.T) {
	t.Parallel()
	const secrets = 1000
	b := newBench(t, s3test.Options{})
	var text strings.Builder
	for i := range secrets {
		fmt.Fprintf(&text, "key%04d: value\n", i)
	}
	b.do("import -q api -f yaml -", text.String())
	proxy := b.counted(30 * time.Millisecond)
	start := time.Now()
	uses := keyUses(b, "api")
	elapsed, got := time.Since(start), proxy.Summary()
	t.Logf("| keys of a service with 1,000 secrets | %d | %d | %.1f s |", got.Requests, got.Depth, elapsed.Seconds())
	if len(uses) != 1 || uses[0].Secrets != secrets || got.Requests > secrets+8 {
		t.Errorf("%+v in %d requests", uses, got.Requests)
	}
	for _, c := range proxy.Crossings() {
		if c.Method != http.MethodGet && c.Method != http.MethodHead && c.Method != http.MethodPost { // KMS's requests are posts
			t.Errorf("a %s of %s", c.Method, c.Path)
		}
	}
}
