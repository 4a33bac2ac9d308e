//go:build unix

package cmd_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coffer-secrets/coffer/internal/app"
	"github.com/coffer-secrets/coffer/internal/testing/s3test"
)

const ownProfile = "[profile slow]\nmax_attempts = 3\nretry_mode = adaptive\nregion = eu-west-3\nrequest_checksum_calculation = when_supported\n"

// sdkPrecedence has, for one profile and some variables, how many requests a failing read makes and what coffer config tells.
var sdkPrecedence = map[string]struct {
	env, flags string
	requests   int64
	retries    app.ConfigRow
	mode       app.ConfigRow
}{
	"AWS variables": {
		"AWS_MAX_ATTEMPTS=2 AWS_RETRY_MODE=adaptive", "", 2,
		app.ConfigRow{Value: "2", From: "$AWS_MAX_ATTEMPTS"},
		app.ConfigRow{Value: "adaptive", From: "$AWS_RETRY_MODE"},
	},
	"a profile": {
		"AWS_PROFILE=slow", "", 3,
		app.ConfigRow{Value: "3", From: "profile slow"},
		app.ConfigRow{Value: "adaptive", From: "profile slow"},
	},
	"a variable over the profile": {
		"AWS_PROFILE=slow AWS_MAX_ATTEMPTS=2 AWS_RETRY_MODE=standard", "", 2,
		app.ConfigRow{Value: "2", From: "$AWS_MAX_ATTEMPTS"},
		app.ConfigRow{Value: "standard", From: "$AWS_RETRY_MODE"},
	},
	"COFFER_ over AWS_": {
		"AWS_MAX_ATTEMPTS=3 COFFER_RETRIES=1 AWS_RETRY_MODE=adaptive COFFER_RETRY_MODE=standard", "", 1,
		app.ConfigRow{Value: "1", From: "$COFFER_RETRIES"},
		app.ConfigRow{Value: "standard", From: "$COFFER_RETRY_MODE"},
	},
	"CHAMBER_ over AWS_": {
		"AWS_MAX_ATTEMPTS=3 CHAMBER_RETRIES=1 AWS_RETRY_MODE=adaptive CHAMBER_RETRY_MODE=standard", "", 1,
		app.ConfigRow{Value: "1", From: "$CHAMBER_RETRIES"},
		app.ConfigRow{Value: "standard", From: "$CHAMBER_RETRY_MODE"},
	},
	"a flag over all": {
		"AWS_MAX_ATTEMPTS=3 COFFER_RETRIES=1 AWS_PROFILE=slow", " --retries 2 --retry-mode standard", 2,
		app.ConfigRow{Value: "2", From: "--retries"},
		app.ConfigRow{Value: "standard", From: "--retry-mode"},
	},
}

// The order is: flag, COFFER_ and CHAMBER_ variables, AWS_ variables, the profile, the program's default.
func TestTheUsersSDKSettingsAreKept(t *testing.T) {
	t.Parallel()
	for name, test := range sdkPrecedence {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, s3test.Options{})
			b.env = append(b.env, "AWS_CONFIG_FILE="+b.scratch("aws", ownProfile), "COFFER_RETRIES=")
			b.env = append(b.env, strings.Fields(test.env)...)
			var requests atomic.Int64
			b.Fault(func(r s3test.Request) *s3test.Fault {
				if r.Op != "GetObject" {
					return nil
				}
				requests.Add(1)
				return &s3test.Fault{Kind: s3test.Answer, Status: http.StatusInternalServerError, Code: "InternalError"}
			})
			if got := b.run("read team db_url"+test.flags, ""); got.exit != 6 || requests.Load() != test.requests {
				t.Errorf("exit code %d after %d requests; want %d\n%s", got.exit, requests.Load(), test.requests, got.stderr)
			}
			rows := b.config(test.flags)
			test.retries.Name, test.mode.Name = "retries", "retry_mode"
			if rows["retries"] != test.retries || rows["retry_mode"] != test.mode {
				t.Errorf("coffer config: %+v, %+v", rows["retries"], rows["retry_mode"])
			}
		})
	}
}

// config returns the rows of coffer config.
func (b *bench) config(flags string) map[string]app.ConfigRow {
	b.Helper()
	got := b.run("config --json"+flags, "")
	var rows []app.ConfigRow
	if err := json.Unmarshal([]byte(got.stdout), &rows); err != nil || got.exit != 0 {
		b.Fatalf("exit code %d, %v\n%s", got.exit, err, got.stderr)
	}
	all := map[string]app.ConfigRow{}
	for _, r := range rows {
		all[r.Name] = r
	}
	return all
}

func TestConfigTellsWhatTheSDKReads(t *testing.T) {
	t.Parallel()
	b := newBench(t, s3test.Options{})
	b.env = append(b.env, "AWS_CONFIG_FILE="+b.scratch("aws", ownProfile), "AWS_PROFILE=slow", "AWS_REGION=", "AWS_USE_FIPS_ENDPOINT=false",
		"COFFER_ENDPOINT_URL=", "AWS_ENDPOINT_URL_S3="+b.URL, "AWS_ENDPOINT_URL_KMS="+b.URL)
	rows := b.config("")
	for name, want := range map[string]app.ConfigRow{
		"region":                       {Value: "eu-west-3", From: "profile slow"},
		"profile":                      {Value: "slow", From: "$AWS_PROFILE"},
		"request_checksum_calculation": {Value: "when_supported", From: "profile slow"},
		"response_checksum_validation": {Value: "when_required", From: "default, because the server isn't AWS's"},
		"use_fips_endpoint":            {Value: "false", From: "$AWS_USE_FIPS_ENDPOINT"},
		"ec2_metadata_disabled":        {Value: "true", From: "$AWS_EC2_METADATA_DISABLED"},
		"endpoint_url":                 {Value: b.URL, From: "$AWS_ENDPOINT_URL_S3"},
		"kms_endpoint":                 {Value: b.URL, From: "$AWS_ENDPOINT_URL_KMS"},
	} {
		if want.Name = name; rows[name] != want {
			t.Errorf("%+v; want %+v", rows[name], want)
		}
	}
}

func TestWhoamiTellsWhichAliasesWork(t *testing.T) {
	t.Parallel()
	b := newBench(t, s3test.Options{})
	got := b.run("whoami --json", "")
	if got.exit != 0 || !strings.Contains(got.stdout, `"alias": "alias/app"`) || !strings.Contains(got.stdout, `"state": "Enabled"`) {
		t.Errorf("exit code %d\n%s%s", got.exit, got.stdout, got.stderr)
	}
	for alias, want := range map[string]struct {
		note string
		args string
		env  []string
	}{
		"alias/none":  {"coffer: alias/none doesn't exist; coffer init --kms-key-alias alias/none creates it\n", " --kms-key-alias alias/none", nil},
		"alias/other": {"coffer: alias/other doesn't exist; coffer init creates it\n", "", []string{"COFFER_KMS_KEY_ALIAS=alias/other"}},
		"alias/moved": {
			"coffer: the key of alias/moved in the configuration file doesn't exist: arn:aws:kms:us-east-1:123456789012:key/00000000-0000-0000-0000-000000000000\n", "",
			[]string{"COFFER_CONFIG=" + b.scratch("moved.yaml", "keys:\n  alias/moved: arn:aws:kms:us-east-1:123456789012:key/00000000-0000-0000-0000-000000000000\n")},
		},
	} {
		other := &bench{T: t, env: append(slices.Clone(b.env), want.env...)}
		got = other.run("whoami --json"+want.args, "")
		if got.exit != 0 || !strings.Contains(got.stdout, `"alias": "`+alias+`"`) || !strings.Contains(got.stdout, `"state": "unknown"`) || got.stderr != want.note {
			t.Errorf("exit code %d\n%s%s", got.exit, got.stdout, got.stderr)
		}
	}
}

// STS and KMS are asked at the same time, so that servers which aren't there cost the time of one.
func TestWhoamiTellsThatNoServerIsReached(t *testing.T) {
	t.Parallel()
	nobody := closed(t)
	b := atEndpoint(t, "http://"+nobody, "COFFER_TIMEOUT=")
	start := time.Now()
	got := b.run("whoami", "")
	if took := time.Since(start); got.exit != 0 || took > 5*time.Second && took > b.onThisMachine(5*time.Second) {
		t.Errorf("exit code %d after %v\n%s", got.exit, took, got.stderr)
	}
	want := "coffer: STS can't be reached at " + nobody + " (connection refused); showing the access key id instead\n" +
		"coffer: can't check with KMS whether the key of alias/app works: KMS can't be reached at " + nobody + " (connection refused); coffer policy check tries it\n"
	if !strings.HasSuffix(got.stderr, want) {
		t.Errorf("%q; want %q at the end", got.stderr, want)
	}
	if got = b.run("whoami --timeout 1s", ""); got.exit != 6 || !strings.Contains(got.stderr, "gave up: no progress for 1s") || strings.Contains(got.stderr, "context canceled") {
		t.Errorf("with a timeout: exit code %d\n%s", got.exit, got.stderr)
	}
}
