# The hooks, run as the agent runs them: a shell sources environment, and the job has what is then exported. coffer
# is the real one, with the service api in a store of this machine; buildkite-agent is a stand-in.

setup() {
	plugin=$BATS_TEST_DIRNAME/..
	cd "$BATS_TEST_TMPDIR"
	export TMPDIR=$BATS_TEST_TMPDIR/tmp BUILDKITE_JOB_ID=0190-job
	mkdir bin "$TMPDIR"
	cat >bin/buildkite-agent <<-'AGENT'
		#!/bin/sh
		case "$*" in
		"redactor add --format json") cat >"$AGENT_GOT" ;;
		"oidc request-token --audience sts.amazonaws.com") echo an-id-token ;;
		*) exit 2 ;;
		esac
	AGENT
	chmod +x bin/buildkite-agent
	export AGENT_GOT=$BATS_TEST_TMPDIR/redacted.json PATH=$BATS_TEST_TMPDIR/bin:$PATH
	export BUILDKITE_PLUGIN_COFFER_SERVICES_0=api
}

# job runs a command as a job with the plugin, and then its last hook.
job() {
	local code=0
	bash -c '. "$1/hooks/environment"; shift; "$@"' job "$plugin" "$@" || code=$?
	left=$(find "$TMPDIR" -mindepth 1)
	return $code
}

@test "a job has its secrets in variables, on several lines too" {
	run job sh -c 'printf %s "$TLS_KEY" >tls_key; printf %s "$QUOTED" >quoted'
	[ "$status" -eq 0 ] && [ -z "$output" ]
	cmp tls_key <(coffer export api | jq -j .tls_key)
	cmp quoted <(coffer export api | jq -j .quoted)
}

@test "the agent is told each line of each value" {
	run job true
	[ "$status" -eq 0 ] && [ -z "$output" ]
	coffer export api | jq -r '.[] | split("\n")[] | select(. != "")' | sort -u >want
	jq -r '.[]' redacted.json | sort -u >got
	diff want got
}

@test "a job without the agent's redactor gets no secrets" {
	printf '#!/bin/sh\nexit 1\n' >bin/buildkite-agent
	run job touch ran
	[ "$status" -eq 1 ] && [[ $output == *"can't hide the secrets"* ]] && [ ! -e ran ]
	BUILDKITE_PLUGIN_COFFER_REDACT=false run job touch ran
	[ "$status" -eq 0 ] && [ -e ran ]
}

@test "a list and one string are the same" {
	export BUILDKITE_PLUGIN_COFFER_ONLY_0='db_*' BUILDKITE_PLUGIN_COFFER_ONLY_1=quoted BUILDKITE_PLUGIN_COFFER_PREFIX=X_
	unset BUILDKITE_PLUGIN_COFFER_SERVICES_0
	BUILDKITE_PLUGIN_COFFER_SERVICES=api run job sh -c 'env | sed -n "s/^\(X_[A-Z_]*\|TLS_KEY\)=.*/\1/p" | sort'
	[ "$output" = $'X_DB_PASSWORD\nX_QUOTED' ]
}

@test "a file is private, and removed when the job ends" {
	export BUILDKITE_PLUGIN_COFFER_MODE=file
	run job bash -c 'stat -c %a "$COFFER_SECRETS_FILE"; cp "$COFFER_SECRETS_FILE" copy; "$0/hooks/pre-exit"; ls "$TMPDIR"' "$plugin"
	[ "$status" -eq 0 ] && [ "$output" = 600 ]
	diff <(coffer export api) copy
}

@test "a role is assumed with the job's token" {
	export BUILDKITE_PLUGIN_COFFER_MODE=none BUILDKITE_PLUGIN_COFFER_ROLE=arn:aws:iam::111122223333:role/ci
	run job bash -c 'echo "$AWS_ROLE_ARN $AWS_ROLE_SESSION_NAME"; cat "$AWS_WEB_IDENTITY_TOKEN_FILE"; stat -c %a "$AWS_WEB_IDENTITY_TOKEN_FILE"'
	[ "$output" = $'arn:aws:iam::111122223333:role/ci buildkite-0190-job\nan-id-token\n600' ]
}

@test "what can't be read ends the job before its command" {
	export BUILDKITE_PLUGIN_COFFER_SERVICES_1=none
	run job touch ran
	[ "$status" -ne 0 ] && [[ $output == *'service "none" has no secrets'* ]] && [ ! -e ran ]
	[[ $output != *canary* ]]
	BUILDKITE_PLUGIN_COFFER_MODE=envs run job touch ran
	[ "$status" -ne 0 ] && [ ! -e ran ]
	unset BUILDKITE_PLUGIN_COFFER_SERVICES_0 BUILDKITE_PLUGIN_COFFER_SERVICES_1
	run job touch ran
	[ "$status" -ne 0 ] && [[ $output == *"needs services"* ]] && [ ! -e ran ]
}

@test "set -x of the agent prints no value" {
	run bash -xc '. "$1/hooks/environment"' job "$plugin"
	[ "$status" -eq 0 ] && [[ $output != *canary* ]]
}

@test "a release is installed if coffer is missing" {
	export BUILDKITE_PLUGIN_COFFER_MODE=none BUILDKITE_PLUGIN_COFFER_VERSION=v0.1.0 BUILDKITE_PLUGIN_COFFER_BASE_URL=$RELEASES
	PATH=$WITHOUT_COFFER run job coffer version
	[ "$status" -eq 0 ] && [[ $output == *"coffer v0.1.0" ]]
}
