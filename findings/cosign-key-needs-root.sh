#!/usr/bin/env bash
# cosign signs a file with a key and without the network. It can't verify that signature without the network,
# though a key needs none of Sigstore's certificates: a bundle in the new format asks for a trusted root in any
# case, even with --insecure-ignore-tlog. An empty root is enough, and a changed file is still refused with it.
#
# Seen on 2026-11-29 with cosign v2.6.5, without a network:
#
#	signed: 0
#	verified: 1, trusted root is required when using new bundle format
#	verified with an empty root: 0
#	a changed file with an empty root: 1
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
CGO_ENABLED=0 GOFLAGS=-trimpath GOBIN=$dir go install github.com/sigstore/cosign/v2/cmd/cosign@v2.6.5
mkdir home
export HOME=$dir/home COSIGN_PASSWORD='' HTTPS_PROXY=http://127.0.0.1:9 # where nothing listens
./cosign generate-key-pair 2>/dev/null
echo text >f
echo other >g
run() { "$@" >>log 2>error && echo 0 || echo "$?"; }
verify() { run ./cosign verify-blob --key cosign.pub --insecure-ignore-tlog=true --bundle f.json "$@"; }
{
	echo "signed: $(run ./cosign sign-blob --yes --key cosign.key --tlog-upload=false --new-bundle-format --bundle f.json f)"
	echo "verified: $(verify f), $(grep -o 'trusted root is required when using new bundle format' error | head -n 1)"
	echo '{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1"}' >root.json
	echo "verified with an empty root: $(verify --trusted-root root.json f)"
	echo "a changed file with an empty root: $(verify --trusted-root root.json g)"
} | tee got
cat >want <<'WANT'
signed: 0
verified: 1, trusted root is required when using new bundle format
verified with an empty root: 0
a changed file with an empty root: 1
WANT
diff want got
