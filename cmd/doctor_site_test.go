//go:build unix

package cmd_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/google/go-cmp/cmp"

	"github.com/coffer-secrets/coffer/internal/testing/mototest"
	"github.com/coffer-secrets/coffer/internal/testing/s3test"
)

type siteFinding struct{ Severity, Check, About, Text, Fix string }

var siteChecks = []string{
	"clock", "conditional-puts", "conditions", "encryption", "key", "lifecycle", "permission", "policy", "public-access", "tls-only", "versions",
}

// siteFindings runs doctor and returns what it says of the site.
func siteFindings(b *bench, args string) []siteFinding {
	b.Helper()
	got := b.run("doctor --json "+args, "")
	if got.exit > 1 || strings.Contains(got.stdout+got.stderr, canary) {
		b.Fatalf("doctor %s: exit code %d\n%s", args, got.exit, got.stderr)
	}
	var all []siteFinding
	if err := json.Unmarshal([]byte(got.stdout), &all); err != nil {
		b.Fatal(err)
	}
	for _, f := range all {
		if fine := f.Check == "server" || strings.HasPrefix(f.Text, "you have "); fine != (f.Fix == "") {
			b.Errorf("what needs a command has one, and nothing else: %+v", f)
		}
	}
	return slices.DeleteFunc(all, func(f siteFinding) bool { return !slices.Contains(siteChecks, f.Check) })
}

// short is "severity check" of each finding, and "?" behind it when something was not told.
func short(found []siteFinding) []string {
	var out []string
	for _, f := range found {
		text := f.Severity + " " + f.Check
		if strings.HasPrefix(f.Text, "unknown") {
			text += "?"
		}
		out = append(out, text)
	}
	slices.Sort(out)
	return out
}

// What init makes, doctor misses before and no longer after it.
func TestDoctorMissesWhatInitMakes(t *testing.T) {
	b := newBench(t, s3test.Options{TLS: true})
	b.do("write team db_url -", canary)
	b.Reset()
	want := []string{
		"note conditional-puts", "note encryption",
		"warning lifecycle", "warning public-access", "warning tls-only", "warning versions",
	}
	found := siteFindings(b, "")
	if diff := cmp.Diff(want, short(found)); diff != "" {
		t.Errorf("before: %s", diff)
	}
	for _, e := range b.Log() {
		if strings.HasPrefix(e.Op, "Put") || strings.HasPrefix(e.Op, "Delete") || strings.HasPrefix(e.Op, "Create") {
			t.Errorf("doctor made a %s of %s", e.Op, e.Key)
		}
	}
	for _, f := range found {
		if wantMend := map[bool]string{true: "coffer init", false: "coffer init --allow-unconditional"}[f.Check == "conditional-puts"]; f.About != "b" || f.Fix != wantMend {
			t.Errorf("%+v", f)
		}
	}
	b.do("init --yes --allow-unconditional", "")
	if diff := cmp.Diff([]string{"note conditional-puts"}, short(siteFindings(b, ""))); diff != "" {
		t.Errorf("after init --allow-unconditional: %s", diff)
	}
	b.do("init --yes", "")
	if found := siteFindings(b, ""); len(found) > 0 {
		t.Errorf("after init: %+v", found)
	}
	if got := b.run("doctor", ""); got.exit != 0 {
		t.Errorf("after init: exit code %d\n%s%s", got.exit, got.stdout, got.stderr)
	}
}

// Settings of another name and of other numbers are as good.
func TestDoctorAcceptsTheRulesOfOthers(t *testing.T) {
	b := newBench(t, s3test.Options{TLS: true})
	b.do("init --yes", "")
	b.do("write team db_url -", canary)
	admin := b.configure("b")
	admin.put("policy", `{"Version":"2012-10-17","Statement":[{"Sid":"Theirs","Effect":"Deny","Principal":"*","Action":"s3:*",`+
		`"Resource":["arn:aws:s3:::b/*","arn:aws:s3:::b"],"Condition":{"Bool":{"aws:SecureTransport":"false"}}}]}`)
	rule := func(id, prefix, what string) string {
		return "<Rule><ID>" + id + "</ID><Status>Enabled</Status><Filter><Prefix>" + prefix + "</Prefix></Filter>" + what + "</Rule>"
	}
	old := "<NoncurrentVersionExpiration><NoncurrentDays>365</NoncurrentDays></NoncurrentVersionExpiration>"
	shares := rule("two", "__share/", "<Expiration><Days>30</Days></Expiration>")
	for text, want := range map[string][]string{
		rule("one", "", old) + shares:      {"note conditional-puts"},
		rule("one", "team/", old) + shares: {"note conditional-puts", "warning lifecycle"},
		rule("one", "", old):               {"note conditional-puts", "warning lifecycle"},
		"<Rule><ID>one</ID><Status>Enabled</Status><Filter><Tag><Key>a</Key><Value>b</Value></Tag></Filter>" + old + "</Rule>" + shares: {"note conditional-puts", "warning lifecycle"},
	} {
		admin.put("lifecycle", "<LifecycleConfiguration>"+text+"</LifecycleConfiguration>")
		if diff := cmp.Diff(want, short(siteFindings(b, ""))); diff != "" {
			t.Errorf("%s: %s", text, diff)
		}
	}
}

func TestDoctorMissesWhatInitMakesOnMoto(t *testing.T) {
	server := mototest.Start(t)
	b := newMotoBench(t, server, "doctored")
	who := aws.Credentials{AccessKeyID: "moto", SecretAccessKey: "moto"}
	if status, text := signed(b, who, "s3", http.MethodPut, server+"/doctored", "application/xml", ""); status != http.StatusOK {
		t.Fatal(status, text)
	}
	want := []string{
		"error key", "note conditional-puts", "note conditions?", "note permission?", "note permission?",
		"warning lifecycle", "warning public-access", "warning versions", // and over http nothing of TLS
	}
	found := short(siteFindings(b, ""))
	// The default encryption of a new bucket depends on the version of moto.
	found = slices.DeleteFunc(found, func(f string) bool { return strings.HasSuffix(f, "encryption") })
	if diff := cmp.Diff(want, found); diff != "" {
		t.Errorf("before init: %s", diff)
	}
	b.do("init --yes", "") // moto judges a bucket's policy without its conditions: left out, and no more recommended
	b.do("write team db_url -", canary)
	after := siteFindings(b, "")
	if diff := cmp.Diff([]string(nil), short(after)); diff != "" {
		t.Errorf("after init: %s\n%+v", diff, after)
	}
}

var keyAndPermissionCases = map[string]struct {
	quirks s3test.Quirks
	setup  func(*bench)
	args   string
	want   []string // beside what the settings of the bucket lack
	mend   string
	text   string
}{
	"a disabled key": {
		setup: func(b *bench) { b.KMS.SetState("alias/app", s3test.Disabled) },
		want:  []string{"error key", "note permission?"}, mend: "aws kms enable-key --key-id 0000", text: "is disabled",
	},
	"a key that is about to be deleted": {
		setup: func(b *bench) { b.KMS.SetState("alias/app", s3test.PendingDeletion) },
		want:  []string{"error key", "note permission?"}, mend: "aws kms cancel-key-deletion --key-id 0000", text: "is pending deletion",
	},
	"an alias of no key": {
		setup: func(b *bench) { b.KMS.DeleteAlias("alias/app") },
		want:  []string{"error key"}, mend: "coffer init --allow-unconditional", text: "doesn't exist in this account",
	},
	"KMS that tells nothing": {
		setup: policy(s3test.Policy{DenyDescribe: true}),
		want:  []string{"note key?"}, text: "unknown: describing key alias/app",
	},
	"no permission to decrypt": {
		setup: policy(s3test.Policy{DenyDecrypt: []string{"alias/app"}}),
		want:  []string{"note permission"}, mend: "coffer policy reader team", text: "you don't have kms:Decrypt: ",
	},
	"a reader": {
		setup: policy(s3test.Policy{DenyPut: []string{"*"}, DenyDelete: []string{"*"}}),
		want:  nil,
	},
	"a reader who probes": {
		setup: policy(s3test.Policy{DenyPut: []string{"*"}, DenyDelete: []string{"*"}}), args: "--probe",
		want: slices.Concat([]string{"note conditions?"}, slices.Repeat([]string{"note permission"}, 2), slices.Repeat([]string{"note permission?"}, 8)),
		mend: "coffer policy operator team", text: "you don't have s3:DeleteObject: ",
	},
	"one who may do everything": {
		args: "--probe", want: []string{"note permission"}, text: "you have s3:ListBucket, s3:GetObject, s3:PutObject, ",
	},
	"a server that keeps no conditions": {
		quirks: s3test.Quirks{NoConditions: true}, args: "--probe",
		want: []string{"note permission", "warning conditions"}, text: "ignores the conditions of writes",
	},
	"a server that does not keep those of deletes": {
		quirks: s3test.Quirks{DeleteIgnoresMatch: true},
		want:   []string{"note conditions"}, text: "leaves a tombstone",
	},
	"a server that was not asked": {
		setup: func(b *bench) { b.env = append(b.env, "XDG_CACHE_HOME="+b.TempDir()) },
		want:  []string{"note conditions?"}, mend: "coffer doctor --probe", text: "not probed in the last seven days",
	},
}

func TestDoctorLooksAtTheKeyAndPermissions(t *testing.T) {
	for name, test := range keyAndPermissionCases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, s3test.Options{Quirks: test.quirks})
			if test.quirks.NoConditions {
				b.env = append(b.env, "COFFER_CONFIG="+b.scratch("config.yaml", "single_writer: true\n"))
			}
			b.do("write team db_url -", canary)
			if test.setup != nil {
				test.setup(b)
			}
			before := len(b.bucket.Objects())
			found := slices.DeleteFunc(siteFindings(b, test.args), func(f siteFinding) bool { return f.About == "b" && f.Check != "permission" })
			if diff := cmp.Diff(test.want, short(found)); diff != "" {
				t.Errorf("%s\n%+v", diff, found)
			}
			if test.text != "" && !slices.ContainsFunc(found, func(f siteFinding) bool {
				return strings.HasPrefix(f.Fix, test.mend) && strings.Contains(f.Text, test.text)
			}) {
				t.Errorf("nothing says %q and %q:\n%+v", test.text, test.mend, found)
			}
			if after := len(b.bucket.Objects()); after != before {
				t.Errorf("%d objects became %d", before, after)
			}
		})
	}
}

func TestDoctorTellsThatAServerDoesNotEncrypt(t *testing.T) {
	t.Parallel()
	b := newBench(t, s3test.Options{Quirks: s3test.Quirks{IgnoresSSE: true}})
	found := siteFindings(b, "--probe")
	if !slices.ContainsFunc(found, func(f siteFinding) bool {
		return f.Severity == "warning" && f.About == "the server" && strings.Contains(f.Text, "doesn't report encryption: writes are refused unless")
	}) {
		t.Errorf("nothing says so:\n%+v", found)
	}
}

func TestDoctorComparesClocks(t *testing.T) {
	for name, test := range map[string]struct {
		off        time.Duration // of the server
		want, text string
	}{
		"half a minute":             {off: 30 * time.Second},
		"two minutes":               {off: 2 * time.Minute, want: "warning", text: "behind the server's"},
		"ten minutes the other way": {off: -10 * time.Minute, want: "error", text: "ahead of the server's"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, s3test.Options{})
			upstream, err := url.Parse(b.URL)
			if err != nil {
				t.Fatal(err)
			}
			server := httptest.NewServer(&httputil.ReverseProxy{
				Rewrite: func(r *httputil.ProxyRequest) {
					r.Out.URL.Scheme, r.Out.URL.Host, r.Out.Host = upstream.Scheme, upstream.Host, r.In.Host
				},
				ModifyResponse: func(r *http.Response) error {
					r.Header.Set("Date", time.Now().Add(test.off).UTC().Format(http.TimeFormat))
					return nil
				},
			})
			t.Cleanup(server.Close)
			b.env = append(b.env, "COFFER_ENDPOINT_URL="+server.URL)
			found := slices.DeleteFunc(siteFindings(b, ""), func(f siteFinding) bool { return f.Check != "clock" })
			switch {
			case test.want == "" && len(found) == 0:
			case len(found) != 1 || found[0].Severity != test.want || !strings.Contains(found[0].Text, test.text):
				t.Errorf("%+v", found)
			}
		})
	}
}
