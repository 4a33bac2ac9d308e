# A library for direnv. Copy it to ~/.config/direnv/lib/coffer.sh, then an .envrc can say:
#
#	use coffer api
#	use coffer shared api --only 'db_*'
#
# The arguments are those of coffer env. If it fails, the rest of .envrc goes on. To load nothing then, begin .envrc
# with strict_env.
# shellcheck shell=bash
use_coffer() {
	local script status=0 trace=
	# Under set -x, which people use to debug an .envrc, bash would print each value.
	case $- in *x*) trace=1 && set +x ;; esac
	if script=$(coffer env "$@"); then
		eval "$script" || status=$?
	else
		status=$?
		log_error "coffer: no secrets were loaded for: $*"
	fi
	if [ "$trace" ]; then set -x; fi
	return "$status"
}
