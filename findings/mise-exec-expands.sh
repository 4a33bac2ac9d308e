#!/usr/bin/env bash
# mise expands "$NAME" and "${NAME:-default}" in what a template's exec() has printed: the output of a command is
# no text for it, but a part of the line that it expands afterwards. So a password with a "$" in it arrives as
# another one, and without an error. With env_shell_expand = false it arrives as it was printed.
#
# Seen on 2026-11-29 with mise 2026.9.15:
#
#	the file: pa$USER_NAME${NONE:-x}word
#	expanded: paannxword
#	with env_shell_expand=false: pa$USER_NAME${NONE:-x}word
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm install --silent --no-audit --no-fund --ignore-scripts --no-package-lock @jdxcode/mise-linux-x64@2026.9.15
mise=$(find "$dir/node_modules" -name mise -type f -perm -u+x | head -n 1)
mkdir home
export HOME=$dir/home USER_NAME=ann MISE_TRUSTED_CONFIG_PATHS=$dir MISE_OFFLINE=1
printf '%s' 'pa$USER_NAME${NONE:-x}word' >password
cat >mise.toml <<'TOML'
[env]
PASSWORD = "{{ exec(command='cat password') }}"
TOML
seen() { "$mise" exec -- sh -c 'printf "%s\n" "$PASSWORD"'; }
{
	echo "the file: $(cat password)"
	echo "expanded: $(seen)"
	echo "with env_shell_expand=false: $(MISE_ENV_SHELL_EXPAND=0 seen)"
} | tee got
cat >want <<'WANT'
the file: pa$USER_NAME${NONE:-x}word
expanded: paannxword
with env_shell_expand=false: pa$USER_NAME${NONE:-x}word
WANT
diff want got
