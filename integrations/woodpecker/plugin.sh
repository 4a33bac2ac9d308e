#!/bin/sh
# The entrypoint of the plugin for Woodpecker and Drone: writes secrets to a file of the workspace, which the
# steps of a pipeline share, or removes it. The settings are in variables PLUGIN_*; a list is joined by commas.
set -eu

fail() {
	printf 'coffer: %s\n' "$1" >&2
	exit 2
}

# Who can change a pipeline chooses its settings: the file stays in the workspace.
file=${PLUGIN_FILE:-.coffer.env}
case /$file/ in
//* | */../*) fail "file must be a path in the workspace, such as .coffer.env" ;;
esac

case ${PLUGIN_REMOVE:-false} in
true)
	rm -f "$file"
	exit
	;;
false) ;;
*) fail "remove must be true or false" ;;
esac
[ -n "${PLUGIN_SERVICES:-}" ] || fail "the plugin needs the setting services, such as [api, web]"

# No name of a service has one of these, nor is it a pattern of files.
IFS=', 
'
set -f
set -- --
for service in $PLUGIN_SERVICES; do
	set -- "$@" "$service"
done
[ -z "${PLUGIN_PREFIX:-}" ] || set -- --prefix "$PLUGIN_PREFIX" "$@"
[ -z "${PLUGIN_ONLY:-}" ] || set -- --only "$PLUGIN_ONLY" "$@"
exec coffer export --require-all --format "${PLUGIN_FORMAT:-shell}" --out "$file" "$@"
