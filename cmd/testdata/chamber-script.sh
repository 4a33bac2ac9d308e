#!/usr/bin/env bash
# What a team has written for chamber, version 3: its commands, flags and variables, with what
# must come of them. Only the next line is new. The test gives it a bucket, an empty folder
# and, in the CHAMBER_ variables, the backend s3-kms or s3.
chamber() { coffer "$@"; }

set -euo pipefail

fail() { echo "line ${BASH_LINENO[1]}: $*" >&2; exit 1; }
same() { [[ $1 == "$2" ]] || fail "got <$1>, want <$2>"; }
has() { grep -qF -- "$2" <<<"$1" || fail "<$1> lacks <$2>"; }
lacks() { ! grep -qF -- "$2" <<<"$1" || fail "<$1> has <$2>"; }
refused() {
	local status=0
	"$@" >refused.out 2>&1 || status=$?
	if ((status < 1 || status > 8)) || ! grep -q '^coffer: ' refused.out; then fail "status $status: $*: $(cat refused.out)"; fi
}
# columns prints the given columns of a table, without its header.
columns() { awk -v want="$1" 'NR > 1 { n = split(want, c, ","); for (i = 1; i <= n; i++) printf "%s%s", $c[i], i < n ? " " : "\n" }'; }

: "${CHAMBER_SECRET_BACKEND:?}" "${CHAMBER_S3_BUCKET:?}" "${CHAMBER_KMS_KEY_ALIAS:?}"
backend=${CHAMBER_SECRET_BACKEND,,} bucket=$CHAMBER_S3_BUCKET region=$AWS_REGION

# write
chamber write app db_url 'postgres://u:p@db:5432/app?sslmode=require'
chamber write app greeting 'hello, "world" $HOME `id`'
printf 'line 1\nline 2\n' | chamber write app pem -
echo 'one line' | chamber write --singleline app single -
echo 'again' | chamber write -s app single -
chamber write app dashes -- -starts-with-a-dash
chamber write app -- dashes-2 --two
chamber write -- app dashes.3 -3
chamber write APP UPPER_Key 'lower-cased'
chamber write app empty ''
chamber write app/web port 8080
chamber write app/web db_url 'of web'
chamber write --skip-unchanged app db_url 'postgres://u:p@db:5432/app?sslmode=require'
chamber write app single 'third' --skip-unchanged

# read
same "$(chamber read -q app db_url)" 'postgres://u:p@db:5432/app?sslmode=require'
same "$(chamber read app db_url --quiet)" "$(chamber read --quiet app DB_URL)"
same "$(chamber read -q APP upper_key)" 'lower-cased'
same "$(chamber read -q app greeting)" 'hello, "world" $HOME `id`'
same "$(chamber read -q app pem; echo .)" $'line 1\nline 2\n\n.'
same "$(chamber read -q app single)" 'third'
same "$(chamber read -q --version 1 app single)" 'one line'
same "$(chamber read -q -v 2 app single)" 'again'
same "$(chamber read -qv2 app single)" 'again'
same "$(chamber read -q --version=3 app single)" 'third'
same "$(chamber read -q --version -1 app single)" 'third'
same "$(chamber read -q app dashes)|$(chamber read -q app dashes-2)|$(chamber read -q app dashes.3)" '-starts-with-a-dash|--two|-3'
same "$(chamber read -q app empty)" ''
same "$(chamber read app port 2>/dev/null || echo none)" none
same "$(chamber read app/web port | columns 1,2,3)" 'port 8080 1'
has "$(chamber read app/web port | head -1)" 'Version'
refused chamber read app nothing
refused chamber read app single --version 9

# list
same "$(chamber list app | columns 1,2)" $'dashes 1\ndashes-2 1\ndashes.3 1\ndb_url 1\nempty 1\ngreeting 1\npem 1\nsingle 3\nupper_key 1'
same "$(chamber list -e app/web | awk 'NR > 1 { print $1, $NF }')" $'db_url web\nport 8080'
same "$(chamber list --expand app/web)" "$(chamber list -e app/web)"
same "$(chamber list -t app/web | columns 1)" $'port\ndb_url'
same "$(chamber list --time app/web)" "$(chamber list -t app/web)"
same "$(chamber list -v app | columns 1,2 | tail -1)" 'single 3'
same "$(chamber list --version app)" "$(chamber list -v app)"
same "$(chamber list -u app/web)" "$(chamber list --user app/web)"
lacks "$(chamber list app)" 'postgres'

# list-services, find
same "$(chamber list-services app | columns 1)" $'app\napp/web'
same "$(chamber list-services app/ | columns 1)" $'app\napp/web'
same "$(chamber list-services -s app/web | columns 1)" $'/app/web/db_url\n/app/web/port'
same "$(chamber list-services app/web --secrets)" "$(chamber list-services -s app/web)"
has "$(chamber list-services | columns 1)" 'app/web'
has "$(chamber find port | columns 1)" 'app/web'
same "$(chamber find -v 8080 | columns 1,2)" 'app/web port'
same "$(chamber find 8080 --by-value)" "$(chamber find -v 8080)"
same "$(chamber find nowhere | columns 1)" ''

# history
same "$(chamber history app single | columns 1,2)" $'Created 1\nUpdated 2\nUpdated 3'
has "$(chamber history app single)" 'assumed-role/dev'
refused chamber history app nothing

# exec
same "$(chamber exec app/web -- printenv PORT)" 8080
same "$(chamber exec app app/web -- sh -c 'echo "$DB_URL $PORT $UPPER_KEY $DASHES_2"' 2>/dev/null)" 'of web 8080 lower-cased --two'
same "$(chamber exec app/web app -- printenv DB_URL 2>/dev/null)" 'postgres://u:p@db:5432/app?sslmode=require'
same "$(OTHER=kept chamber exec app/web -- sh -c 'echo "$OTHER"')" kept
same "$(chamber exec --pristine app/web -- "$(command -v env)" | sort)" $'DB_URL=of web\nPORT=8080'
same "$(chamber exec app/web --pristine -- "$(command -v env)" | sort)" $'DB_URL=of web\nPORT=8080'
same "$(PORT=chamberme chamber exec --strict app/web -- sh -c 'echo "$PORT ${DB_URL-unset}"')" '8080 unset'
same "$(PORT=fill-me chamber exec --strict --strict-value fill-me app/web -- printenv PORT)" 8080
same "$(PORT=fill-me chamber exec --strict --strict-value=fill-me --pristine app/web -- "$(command -v env)")" 'PORT=8080'
same "$(PORT=chamberme UPPER_KEY=chamberme chamber exec --strict app app/web -- sh -c 'echo "$PORT $UPPER_KEY"' 2>/dev/null)" '8080 lower-cased'
chamber exec --strict app/web -- true
MISSING=chamberme refused chamber exec --strict app/web -- true
PORT=9090 refused chamber exec --strict app/web -- true
status=0; chamber exec app/web -- sh -c 'exit 7' || status=$?
same "$status" 7
same "$(echo through | chamber exec app/web -- cat)" through
same "$(chamber exec app/web -- printf '%s,' a -b -- c)" 'a,-b,--,c,'
refused chamber exec app/web
refused chamber exec app/web --

# env
same "$(chamber env app/web)" $'export DB_URL=\'of web\'\nexport PORT=8080'
same "$(chamber env -p app/web)" $'export db_url=\'of web\'\nexport port=8080'
same "$(chamber env --preserve-case app/web)" "$(chamber env -p app/web)"
same "$(chamber env -e app/web)" $'export DB_URL="of web"\nexport PORT="8080"'
has "$(chamber env --escape-strings app)" 'export PEM="line 1\nline 2\n"'
(
	eval "$(chamber env app)"
	same "$GREETING|$PEM|$DASHES_3" $'hello, "world" $HOME `id`|line 1\nline 2\n|-3'
)

# export
same "$(chamber export app/web)" '{"db_url":"of web","port":"8080"}'
same "$(chamber export -f json app/web)" "$(chamber export --format JSON app/web)"
same "$(chamber export -f=csv app/web)" $'db_url,of web\nport,8080'
same "$(chamber export -f tsv app/web)" $'db_url\tof web\nport\t8080'
same "$(chamber export -f dotenv app/web)" $'DB_URL="of web"\nPORT="8080"'
same "$(chamber export -f tfvars app/web)" $'db_url = "of web"\nport = "8080"'
same "$(chamber export -f java-properties app/web)" $'db_url = of web\nport = 8080'
same "$(chamber export -f properties app/web)" "$(chamber export -f java-properties app/web)"
has "$(chamber export -f yaml app/web)" 'port: "8080"'
has "$(chamber export app app/web 2>/dev/null)" '"db_url":"of web"'
for format in json yaml java-properties csv tsv dotenv tfvars; do
	chamber export -f "$format" -o "web.$format" app/web
	same "$(cat "web.$format")" "$(chamber export -f "$format" app/web)"
done
chamber export --output-file web.json app/web
refused chamber export -f xml app/web

# import
chamber import copy web.json
same "$(chamber export copy)" "$(chamber export app/web)"
chamber import copy web.yaml
echo '{"FROM_STDIN": "json", "port": 9090}' | chamber import --normalize-keys copy -
printf 'from_yaml: yaml\nquoted: "0123"\n' | chamber import copy -
same "$(chamber export copy)" '{"db_url":"of web","from_stdin":"json","from_yaml":"yaml","port":"9090","quoted":"0123"}'
chamber export app | chamber import copy-of-app -
same "$(chamber export copy-of-app)" "$(chamber export app)"

# tag
chamber tag write app db_url team=data cost=high
has "$(chamber tag read app db_url)" 'team'
chamber tag write app db_url team=platform --delete-other-tags
same "$(chamber tag read app db_url | columns 1,2)" 'team platform'
chamber tag delete app db_url team
same "$(chamber tag read app db_url | columns 1,2)" ''
chamber write --tags team=web,cost=low app tagged value
same "$(chamber tag read app tagged | columns 1,2)" $'cost low\nteam web'

# delete
chamber delete app tagged
refused chamber read app tagged
lacks "$(chamber export app)" 'tagged'
chamber delete copy FROM_STDIN
chamber delete --exact-key copy quoted
refused chamber delete --exact-key copy FROM_YAML
same "$(chamber list copy | columns 1)" $'db_url\nfrom_yaml\nport'

# Global flags stand anywhere, and beat the environment.
for name in "$backend" "${backend^^}" "${backend^}"; do
	same "$(chamber -b "$name" read -q app/web port)" 8080
	same "$(chamber read -q app/web port --backend="$name")" 8080
	same "$(chamber -b="$name" read -q app/web port)" 8080
	same "$(CHAMBER_SECRET_BACKEND=$name chamber read -q app/web port)" 8080
done
same "$(CHAMBER_S3_BUCKET=none CHAMBER_SECRET_BACKEND=null chamber --backend-s3-bucket "$bucket" -b "$backend" read -q app/web port)" 8080
same "$(chamber -r 3 --retry-mode standard --min-throttle-delay 10ms read -q app/web port)" 8080
same "$(chamber --retries=3 --retry-mode=adaptive read -q app/web port)" 8080
same "$(CHAMBER_RETRIES=2 CHAMBER_AWS_REGION="$region" AWS_REGION=eu-west-9 chamber read -q app/web port)" 8080
same "$(chamber --verbose read -q app/web port 2>/dev/null)" 8080
if [[ $backend == s3-kms ]]; then
	chamber --kms-key-alias alias/ops write app/web ops_only secret
	chamber write --kms-key-alias ops app/web ops_only secret2
	same "$(chamber exec app/web -- printenv OPS_ONLY)" secret2
	refused chamber write app/web ops_only 'under another key'
	same "$(CHAMBER_KMS_KEY_ALIAS=alias/ops chamber read -q app/web ops_only)" secret2
	CHAMBER_KMS_KEY_ALIAS=ops chamber delete app/web ops_only
else
	refused chamber --kms-key-alias alias/ops list app
fi
same "$(PORT=from-outside chamber -b null exec app/web -- printenv PORT)" from-outside
refused chamber -b nonsense list app

# version, help, completion
has "$(chamber version)" '1.2.3'
has "$(chamber help)" 'services'
has "$(chamber help list-services)" '--secrets'
has "$(chamber help write)" 'singleline'
has "$(chamber write --help)" 'skip-unchanged'
has "$(chamber completion bash)" 'complete'

chamber delete app/web port
chamber delete app/web db_url
echo -n 'from stdin' | chamber write app/web survivor -
echo
echo 'all as chamber has it'
