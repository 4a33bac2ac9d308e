#!/usr/bin/env bash
# A step that writes a value of several lines to $GITHUB_ENV, with the heredoc that GitHub documents, gets it
# back in the next step without its empty lines at the beginning and without its carriage returns, when act
# runs the workflow. It reads the file line by line and joins what it has with "\n", unless that is still empty
# (pkg/container/parse_env_file.go). GitHub's runner keeps both.
#
# Seen on 2026-11-29 with act v0.2.89, on the host (-P ubuntu-latest=-self-hosted):
#
#	written: \n\nfirst\r\nsecond
#	arrived: first\nsecond
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
GOBIN=$dir/bin CGO_ENABLED=0 go install -tags WITHOUT_DOCKER github.com/nektos/act@v0.2.89
mkdir -p home repository/.github/workflows
cd repository
cat >.github/workflows/w.yml <<'YAML'
on: push
jobs:
  job:
    runs-on: ubuntu-latest
    steps:
      - run: printf 'VALUE<<END\n\n\nfirst\r\nsecond\nEND\n' >>"$GITHUB_ENV"
      - run: printf '%s' "$VALUE" >"$OUT"
YAML
git init -q . && git add . && git -c user.name=a -c user.email=a@example.com commit -qm one
HOME=$dir/home "$dir/bin/act" push -P ubuntu-latest=-self-hosted --env OUT="$dir/out" >"$dir/log" 2>&1 || { cat "$dir/log"; exit 1; }
show() { python3 -c 'import sys; print(sys.stdin.buffer.read().decode().encode("unicode_escape").decode())'; }
{
	echo "written: $(printf '\n\nfirst\r\nsecond' | show)"
	echo "arrived: $(show <"$dir/out")"
} | tee "$dir/got"
cat >"$dir/want" <<'WANT'
written: \n\nfirst\r\nsecond
arrived: first\nsecond
WANT
diff "$dir/want" "$dir/got"
