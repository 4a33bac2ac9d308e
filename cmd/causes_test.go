//go:build unix

package cmd_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/coffer-secrets/coffer/internal/testing/s3test"
)

// causes are what the user has, and what is said about it: the sentence, and the way out.
var causes = map[string]struct{ config, env, flags, sentence, way string }{
	"nothing at all": {
		"", "", "", "no AWS credentials found in the environment, a profile or an instance role", "aws configure",
	},
	"profiles that aren't used": {
		"[profile dev]\nregion = us-east-1\n[default]\nregion = us-east-1\n", "", "",
		"no AWS credentials found in the profile default", "choose a profile with --profile or AWS_PROFILE (dev); or",
	},
	"no such profile": {
		"[profile dev]\n[profile prod]\n", "", " --profile nope", `there is no AWS profile "nope"`, "existing profiles: dev, prod",
	},
	"no such profile in the environment": {
		"[profile dev]\n", "AWS_PROFILE=nope", "", `there is no AWS profile "nope"`, "existing profiles: dev",
	},
	"no such source profile": {
		"[profile dev]\nrole_arn = arn:aws:iam::1:role/app\nsource_profile = base\n", "", " --profile dev", `there is no AWS profile "base", the source_profile for arn:aws:iam::1:role/app`, "existing profiles: dev",
	},
	"no SSO session": {
		"[profile dev]\nsso_session = acme\nsso_account_id = 111122223333\nsso_role_name = app\nregion = us-east-1\n[sso-session acme]\nsso_region = us-east-1\nsso_start_url = https://acme.awsapps.com/start\n",
		"", " --profile dev", "the profile dev has no SSO session, or it has ended", "aws sso login --profile dev",
	},
	"no SSO session of the older kind, below a role": {
		"[profile base]\nsso_region = us-east-1\nsso_start_url = https://acme.awsapps.com/start\nsso_account_id = 111122223333\nsso_role_name = app\n[profile dev]\nrole_arn = arn:aws:iam::1:role/app\nsource_profile = base\n",
		"", " --profile dev", "the profile base has no SSO session, or it has ended", "aws sso login --profile base",
	},
	"no login session": {
		"[profile dev]\nlogin_session = arn:aws:iam::111122223333:user/ann\nregion = us-east-1\n", "", " --profile dev", "the profile dev has no login session, or it has ended", "aws login --profile dev",
	},
	"a process that fails": {
		"[profile dev]\ncredential_process = sh -c 'echo " + canary + "; exit 3'\n", "", " --profile dev",
		"credential_process of the profile dev failed (exit status 3)", "aws configure get credential_process --profile dev",
	},
	"a process that prints a secret": {
		"[profile dev]\ncredential_process = echo " + canary + "\n", "", " --profile dev",
		"credential_process of the profile dev didn't print JSON of Version 1", "aws configure get credential_process --profile dev",
	},
	"a container without a role": {
		"", "AWS_CONTAINER_CREDENTIALS_FULL_URI=http://127.0.0.1:1/" + canary, "", "the credentials endpoint of this container returned no credentials", "AWS_CONTAINER_CREDENTIALS_FULL_URI",
	},
	"a bundle that isn't there": {"", "AWS_CA_BUNDLE=/none/ca.pem", "", "AWS_CA_BUNDLE: can't read /none/ca.pem: no such file or directory", "must name a file of certificates"},
	"a bundle that isn't PEM":   {"", "AWS_CA_BUNDLE=/dev/null", "", "AWS_CA_BUNDLE: /dev/null contains no certificate", "openssl x509"},
	"a retry mode of the AWS CLI": {
		"", "AWS_RETRY_MODE=legacy", "", "AWS_RETRY_MODE: the AWS SDK for Go doesn't know this value", "standard or adaptive",
	},
	"a number that is none":      {"", "AWS_MAX_ATTEMPTS=many", "", "AWS_MAX_ATTEMPTS: the AWS SDK for Go doesn't know this value", "use a number"},
	"a number that is too small": {"", "AWS_MAX_ATTEMPTS=-1", "", "AWS_MAX_ATTEMPTS: -1 is not a number of attempts", ""},
	"a mode of the profile":      {"[profile dev]\nretry_mode = legacy\n", "", " --profile dev", "retry_mode: the AWS SDK for Go doesn't know this value", "standard or adaptive"},
	"FIPS with an endpoint": {
		"", "AWS_USE_FIPS_ENDPOINT=true", "", "AWS_USE_FIPS_ENDPOINT can't be combined with a custom endpoint URL for S3", "unset one of them",
	},
	"dual stack with an endpoint": {
		"[profile dev]\nuse_dualstack_endpoint = true\n", "", " --profile dev", "use_dualstack_endpoint of profile dev can't be combined with a custom endpoint URL for S3", "unset one of them",
	},
	"a file that is none": {"[profile dev\n" + canary + "\n", "", "", "", ""},
}

func TestCredentialCausesHaveTheirSentence(t *testing.T) {
	t.Parallel()
	for name, test := range causes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, s3test.Options{})
			b.env = append(b.env, "AWS_ACCESS_KEY_ID=", "AWS_SECRET_ACCESS_KEY=", "AWS_SESSION_TOKEN=", "AWS_SHARED_CREDENTIALS_FILE="+filepath.Join(t.TempDir(), "none"), "COFFER_RETRIES=",
				"AWS_CONFIG_FILE="+b.scratch("aws", test.config), test.env)
			got := b.run("read team db_url"+test.flags, "")
			if got.exit != 7 || !strings.HasPrefix(got.stderr, "coffer: ") || !strings.Contains(got.stderr, test.sentence) || !strings.Contains(got.stderr, "\n  ") && test.way != "" || !strings.Contains(got.stderr, test.way) {
				t.Errorf("exit code %d; want %q and %q in\n%s", got.exit, test.sentence, test.way, got.stderr)
			}
			for _, foreign := range []string{canary, "failed to", "get identity", "shared config", "operation error", "EC2 IMDS", "api error"} {
				if strings.Contains(got.stderr, foreign) {
					t.Errorf("the SDK's words (%q):\n%s", foreign, got.stderr)
				}
			}
		})
	}
}
