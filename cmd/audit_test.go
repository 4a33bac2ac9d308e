//go:build unix

package cmd_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/google/go-cmp/cmp"

	"github.com/coffer-secrets/coffer/internal/testing/s3test"
	"github.com/coffer-secrets/coffer/internal/testing/trailtest"
)

// auditor may look at CloudTrail, and at nothing else: no store is there.
func auditor(t *testing.T, server *trailtest.Server, settings ...string) *bench {
	c := trailtest.Credentials()
	return &bench{T: t, env: append(append(ownEnvironment(t.TempDir()),
		"PATH="+os.Getenv("PATH"), "AWS_ACCESS_KEY_ID="+c.AccessKeyID, "AWS_SECRET_ACCESS_KEY="+c.SecretAccessKey, "AWS_SESSION_TOKEN="+c.SessionToken,
		"AWS_REGION=us-east-1", "COFFER_RETRIES=1", "AWS_ENDPOINT_URL_CLOUDTRAIL="+server.URL), settings...)}
}

const thatDay = " --cloudtrail --since 2026-11-20 --until 2026-11-21"

// rows are the columns of a table without its header, times cut to the minute.
func rows(text string) []string {
	var out []string
	for _, line := range strings.Split(strings.TrimSpace(text), "\n")[1:] {
		f := strings.Fields(line)
		out = append(out, strings.Join(append([]string{f[0][11:16], f[1][strings.LastIndex(f[1], "/")+1:]}, f[2:4]...), " "))
	}
	return out
}

func TestAuditTellsWhoRead(t *testing.T) {
	server := trailtest.New(t)
	server.Spoil(time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC))
	b := auditor(t, server, "COFFER_S3_BUCKET=bucket")
	got := b.run("audit Team"+thatDay, "")
	want := []string{
		"10:00 build-7 index team/__kms_alias_app__latest.json",
		"10:05 ann secret team/url.json",
		"10:10 s3.amazonaws.com secret team/url.json",
		"10:15 ann secret team/other.json",
		"10:20 eve secret team/url.json",
		"10:25 build-7 share __share/team/20261120T110000Z-abcdef",
	}
	if diff := cmp.Diff(want, rows(got.stdout)); got.exit != 0 || diff != "" {
		t.Errorf("exit code %d, %s\n%s%s", got.exit, diff, got.stdout, got.stderr)
	}
	if !strings.Contains(got.stdout, "203.0.113.7") || strings.Contains(got.stdout, "\x1b") {
		t.Errorf("the address is missing, or the user agent commands the terminal: %q", got.stdout)
	}
	for _, says := range []string{
		"whoever read one could see every secret of team under its alias", "1 event with only the name of the bucket", "1 refused attempt in us-east-1 without the name of an object",
		"1 event could not be parsed", "S3 data events, which are off by default",
	} {
		if !strings.Contains(got.stderr, says) {
			t.Errorf("stderr does not say %q:\n%s", says, got.stderr)
		}
	}
	// Of one secret: itself, and what may hold it.
	if diff := cmp.Diff(append(want[:3:3], want[4], want[5]), rows(b.out("audit team URL"+thatDay))); diff != "" {
		t.Error(diff)
	}
	var events []struct {
		Time, User, What, Service, Key, Object, Error string
		SourceIP                                      string `json:"source_ip"`
		EventID                                       string `json:"event_id"`
	}
	parse(t, []byte(b.out("audit team --json"+thatDay)), &events)
	if len(events) != 6 || events[1].Key != "url" || events[1].Time != "2026-11-20T10:05:00Z" || events[1].User != "arn:aws:iam::111122223333:user/ann" ||
		events[4].SourceIP != "203.0.113.7" || events[0].What != "index" || events[0].EventID == "" {
		t.Errorf("%+v", events)
	}
}

func TestAuditTellsWhoReadParameters(t *testing.T) {
	b := auditor(t, trailtest.New(t), "COFFER_BACKEND=ssm")
	if diff := cmp.Diff([]string{"10:40 build-8 secret /team/url", "10:42 build-8 secret /team/other"}, rows(b.out("audit team"+thatDay))); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"10:42 build-8 secret /team/other"}, rows(b.out("audit team other"+thatDay))); diff != "" {
		t.Error(diff)
	}
}

func TestAnAuditThatFindsNothingTellsItsLimits(t *testing.T) {
	b := auditor(t, trailtest.New(t), "COFFER_S3_BUCKET=bucket")
	got := b.run("audit none --cloudtrail --since 2020-01-01", "")
	if got.exit != 0 || got.stdout != "" {
		t.Errorf("%+v", got)
	}
	for _, says := range []string{
		"CloudTrail shows no read of none between 2020-01-01T00:00:00Z and ", "goes back 90 days, not to 2020-01-01", "CloudTrail may not show the last 15 minutes yet",
	} {
		if !strings.Contains(got.stderr, says) {
			t.Errorf("stderr does not say %q:\n%s", says, got.stderr)
		}
	}
	if got := b.run("audit none --cloudtrail --json -q", ""); got.exit != 0 || strings.TrimSpace(got.stdout) != "[]" || got.stderr != "" {
		t.Errorf("quietly: %+v", got)
	}
}

func TestRefusalsOfAnAudit(t *testing.T) {
	server := trailtest.New(t)
	b := auditor(t, server, "COFFER_S3_BUCKET=bucket")
	for code, want := range map[string]struct {
		exit int
		says string
	}{
		"AccessDeniedException": {5, "\n  you need cloudtrail:LookupEvents"},
		"ThrottlingException":   {6, "in us-east-1"},
		"ExpiredTokenException": {7, "the session has ended"},
	} {
		server.Refuse(func(int) (int, string) { return 400, code })
		got := b.run("audit team --cloudtrail", "")
		if got.exit != want.exit || !strings.Contains(got.stderr, want.says) || got.stdout != "" || strings.Contains(got.stderr, "no read of") {
			t.Errorf("%s: %+v", code, got)
		}
	}
	// What was found before is told.
	server = trailtest.New(t)
	server.Pages(12)
	server.Refuse(func(n int) (int, string) { return map[int]int{2: 400}[n], "ThrottlingException" })
	b = auditor(t, server, "COFFER_S3_BUCKET=bucket")
	if got := b.run("audit team"+thatDay, ""); got.exit != 6 || len(rows(got.stdout)) != 2 {
		t.Errorf("%+v; want the two latest, and exit code 6", got)
	}
	for line, exit := range map[string]int{
		"audit team --cloudtrail -b s3": 7, "audit team --cloudtrail -b secretsmanager": 7, "audit team __x --cloudtrail": 2, "audit team --cloudtrail --since x": 2,
	} {
		if got := b.run(line, ""); got.exit != exit {
			t.Errorf("%s: exit code %d, want %d\n%s", line, got.exit, exit, got.stderr)
		}
	}
}

// Who wrote is told on every backend that has a history; what is hidden is counted.
func TestAuditTellsWhoWroteInABucket(t *testing.T) {
	b := newBench(t, s3test.Options{})
	b.do("write team url -", canary)
	b.do("write team url -", canary+" 2")
	b.do("write team ops - --kms-key-alias alias/ops", canary)
	if got := b.out("audit team"); strings.Count(got, "\turl\t") != 2 || strings.Count(got, "\tops\t") != 1 || strings.Contains(got, canary) {
		t.Errorf("%q", got)
	}
	b.KMS.SetState("alias/ops", s3test.Disabled)
	if got := b.run("audit team", ""); got.exit == 0 {
		t.Errorf("with a disabled key: %+v", got)
	}
}

func TestRekeyOnParameterStore(t *testing.T) {
	const region = "eu-north-1"
	b := onMoto(t, region, "ssm")
	makeAliases(t, kms.NewFromConfig(motoConfig(t, region)), "alias/app", "alias/ops")
	b.env = append(b.env, "COFFER_KMS_KEY_ALIAS=alias/app")
	b.do("write day db_url -", canary)
	b.do("write day db_url -", canary+" 2")
	b.do("write day key -", canary)
	b.do("write night key -", canary)
	if got := b.run("rekey day --to alias/ops --dry-run", ""); got.exit != 0 || strings.Join(strings.Fields(got.stdout), " ") != "Service Key Version From Change day db_url 2 alias/app move day key 1 alias/app move" ||
		strings.Count(got.stderr, "can't encrypt older versions again") != 1 {
		t.Errorf("the plan: %+v", got)
	}
	got := b.run("rekey --all-services --from app --to alias/ops", "")
	if got.exit != 0 || !strings.Contains(got.stderr, "coffer: day: 2 of 2 secrets moved\n") || !strings.Contains(got.stderr, "coffer: night: 1 of 1 secret moved\n") ||
		strings.Count(got.stderr, "coffer: day: the history stays encrypted under the old keys (alias/app)") != 1 || strings.Contains(got.stderr, canary) {
		t.Errorf("%+v", got)
	}
	if got := b.table("list day"); strings.Count(got, "alias/ops") != 2 || strings.Contains(got, "alias/app") {
		t.Errorf("list: %q", got)
	}
	if got := b.table("history day db_url"); strings.Count(got, "\n") != 2 {
		t.Errorf("history: %q", got)
	}
	if got := b.out("exec day -- printenv DB_URL"); got != canary+" 2\n" {
		t.Errorf("exec: %q", got)
	}
	if got := b.run("rekey day night --to alias/ops", ""); got.exit != 0 || !strings.Contains(got.stderr, "coffer: day: nothing to move\ncoffer: night: nothing to move\n") {
		t.Errorf("again: %+v", got)
	}
	if got := b.run("write day key -", canary); got.exit != 4 {
		t.Errorf("a write under the old alias: %+v", got)
	}
	if got := b.run("rekey day --same --kms-key-alias alias/ops --json", ""); got.exit != 0 || strings.Count(got.stdout, `"outcome":"moved"`) != 2 || strings.Contains(got.stdout, canary) {
		t.Errorf("--same: %+v", got)
	}
	if got := b.out("audit day"); strings.Count(got, "\tdb_url\t") != 2 || strings.Count(got, "\tkey\t") != 1 {
		t.Errorf("audit: %q", got)
	}
}
