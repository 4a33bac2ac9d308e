#!/bin/sh
# Installs a release of coffer: downloads the archive for this system, verifies it, and puts the program
# into a directory. POSIX sh, with curl or wget, tar, and a program for SHA-256.
#
#	sh install.sh [--version v0.1.0] [--dir DIR] [--if-missing] [--require-signature]
#	              [--base-url URL] [--key FILE]
#
# Nothing is installed unless its checksum is the one in the release's checksums.txt. If cosign is
# installed, or with --require-signature, checksums.txt must be signed by the release workflow, for this
# very version.
set -eu

repository=https://github.com/coffer-secrets/coffer

usage() {
	cat <<'USAGE'
Install a release of coffer, after verifying it.

  --version VERSION     the release, such as v0.1.0 (default: the latest)
  --dir DIR             where to (default: /usr/local/bin if you may write there, else ~/.local/bin)
  --if-missing          do nothing if coffer is already on PATH
  --require-signature   fail if cosign is missing. Without this flag, the signature is verified only if cosign is installed
  --base-url URL        the releases of a mirror, laid out like GitHub's (default: GitHub)
  --key FILE            the public key that signed the releases of a mirror (default: the identity of the release workflow)
USAGE
}

fail() {
	printf 'install.sh: %s\n' "$1" >&2
	exit "${2:-1}"
}

note() { printf 'install.sh: %s\n' "$1" >&2; }

has() { command -v "$1" >/dev/null 2>&1; }

main() {
	version=latest dir='' base=$repository/releases key='' missing='' signature=''
	while [ $# -gt 0 ]; do
		case $1 in
		--version | --dir | --base-url | --key)
			case ${2:-} in
			'') fail "$1 needs a value" 2 ;;
			-*) fail "$1 needs a value, and $2 is a flag: write a path as ./$2" 2 ;;
			esac
			case $1 in
			--version) version=$2 ;;
			--dir) dir=$2 ;;
			--base-url) base=${2%/} ;;
			--key) key=$2 ;;
			esac
			shift
			;;
		--if-missing) missing=yes ;;
		--require-signature) signature=yes ;;
		-h | --help) usage && exit 0 ;;
		*) fail "unknown argument $1: run sh install.sh --help" 2 ;;
		esac
		shift
	done
	case $version in
	latest | v[0-9]*) ;;
	[0-9]*) version=v$version ;;
	*) version='' ;;
	esac
	case $version in
	'' | *[!A-Za-z0-9.+~_-]*) fail "--version must be a release, such as v0.1.0, or latest" 2 ;;
	esac
	if [ -n "$missing" ] && has coffer; then
		note "coffer is already installed: $(command -v coffer)"
		exit 0
	fi
	install
}

install() {
	for program in uname awk tar; do
		has "$program" || fail "$program is missing"
	done
	platform=$(platform)
	dir=${dir:-$(default_dir)}
	mkdir -p "$dir" || fail "can't create $dir: choose another directory with --dir"
	[ -w "$dir" ] || fail "you may not write to $dir: choose another directory with --dir"
	[ ! -d "$dir/coffer" ] || fail "$dir/coffer is a directory: choose another directory with --dir"

	work=$(mktemp -d) || fail "can't create a temporary directory"
	new=$dir/.coffer.$$
	trap 'rm -rf "$work" "$new"' EXIT
	trap 'exit 1' HUP INT TERM

	if [ "$version" = latest ]; then release=$base/latest/download; else release=$base/download/$version; fi
	fetch "$release/checksums.txt" "$work/checksums.txt"
	[ -s "$work/checksums.txt" ] || fail "$release/checksums.txt is empty"
	# A mirror may have made it with sha256sum --binary, which writes *name, or with CRLF. The signature is of the file as it is.
	awk '{sub(/\r$/, ""); sub(/^\*/, "", $2); print $1, $2}' "$work/checksums.txt" >"$work/checksums"
	archive=$(awk -v end="_$platform.tar.gz" '$2 ~ /^coffer_/ && substr($2, length($2) - length(end) + 1) == end {print $2}' "$work/checksums")
	case $archive in
	'') fail "the release $version has no archive for $platform: see $repository/releases" ;;
	*[!A-Za-z0-9._+~-]*) fail "checksums.txt has more than one archive for $platform" ;;
	esac
	# The version is the one in the signed file. It is asked for by its name: the latest may have changed since.
	found=${archive#coffer_}
	found=v${found%"_$platform.tar.gz"}
	[ "$version" = latest ] || [ "$version" = "$found" ] || fail "checksums.txt is of $found, not of $version"
	release=$base/download/$found

	verify_signature "$found"
	fetch "$release/$archive" "$work/$archive"
	verify_checksum "$archive"

	tar -xzf "$work/$archive" -C "$work" || fail "can't unpack $archive"
	[ -f "$work/coffer" ] || fail "$archive has no program coffer"
	# A program that is running can't be overwritten, so it is replaced, once the new one has run.
	{ cp "$work/coffer" "$new" && chmod 755 "$new"; } || fail "can't write to $dir"
	"$new" version >/dev/null || fail "the program in $archive doesn't run on this system"
	mv -f "$new" "$dir/coffer" || fail "can't replace $dir/coffer"
	note "installed coffer $found in $dir"
	case :$PATH: in
	*:"$dir":*) ;;
	*) note "$dir is not on PATH" ;;
	esac
}

# platform prints the system and the processor as in the names of the archives.
platform() {
	os=$(uname -s) arch=$(uname -m)
	case $os in
	Linux) os=linux ;;
	Darwin) os=darwin ;;
	FreeBSD) os=freebsd ;;
	*) fail "there is no archive for $os that this script can install: see $repository/releases" ;;
	esac
	case $arch in
	x86_64 | amd64) arch=amd64 ;;
	aarch64 | arm64) arch=arm64 ;;
	*) fail "there is no archive for $arch: run go install github.com/coffer-secrets/coffer@latest" ;;
	esac
	echo "${os}_$arch"
}

default_dir() {
	if [ -w /usr/local/bin ]; then
		echo /usr/local/bin
	else
		echo "${HOME:?}/.local/bin"
	fi
}

# fetch downloads a URL to a file. With curl, what is fetched over HTTPS isn't redirected to anything else. wget has
# no option for that (its --https-only is for recursion), so with it only the signature proves where a release is from.
fetch() {
	if has curl; then
		case $1 in
		https://*) curl -fsSL --proto '=https' --retry 3 -o "$2" "$1" ;;
		*) curl -fsSL --retry 3 -o "$2" "$1" ;;
		esac
	elif has wget; then
		wget -q -O "$2" "$1"
	else
		fail "curl or wget is missing"
	fi || fail "can't download $1"
}

verify_checksum() {
	want=$(awk -v name="$1" '$2 == name {print tolower($1)}' "$work/checksums")
	if has sha256sum; then
		got=$(sha256sum <"$work/$1")
	elif has shasum; then
		got=$(shasum -a 256 <"$work/$1")
	elif has sha256; then
		got=$(sha256 -q <"$work/$1")
	else
		fail "sha256sum, shasum or sha256 is missing"
	fi
	[ "${got%% *}" = "$want" ] || fail "the checksum of $1 is ${got%% *}, not $want: nothing was installed"
}

# verify_signature verifies that the release workflow has signed checksums.txt for a version, or the key.
verify_signature() {
	if ! has cosign; then
		[ -z "$signature$key" ] || fail "cosign is missing: see https://docs.sigstore.dev/cosign/system_config/installation/"
		note "the signature was not verified: cosign is not installed"
		return
	fi
	fetch "$release/checksums.txt.sigstore.json" "$work/checksums.txt.sigstore.json"
	if [ -n "$key" ]; then
		# A mirror's signatures aren't in the public log, and need none of its keys. Without a file with no keys,
		# cosign 2.6.5 fetches them, and fails where it can't.
		echo '{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1"}' >"$work/trusted_root.json"
		set -- --key "$key" --insecure-ignore-tlog=true --trusted-root "$work/trusted_root.json"
	else
		set -- --certificate-oidc-issuer https://token.actions.githubusercontent.com \
			--certificate-identity "$repository/.github/workflows/release.yml@refs/tags/$1"
	fi
	cosign verify-blob --bundle "$work/checksums.txt.sigstore.json" "$@" "$work/checksums.txt" >/dev/null 2>"$work/cosign" || {
		sed 's/^/install.sh: cosign: /' "$work/cosign" >&2
		fail "the signature of checksums.txt is not valid: nothing was installed"
	}
}

# The last line, so that half a download does nothing.
main "$@"
