# source <(coffer completion bash)
_coffer() {
	local IFS=$'\n'
	COMPREPLY=($(coffer __complete -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
	case ${COMPREPLY-} in
	__files__) COMPREPLY=($(compgen -f -- "${COMP_WORDS[COMP_CWORD]}")) ;;
	__commands__) COMPREPLY=($(compgen -c -- "${COMP_WORDS[COMP_CWORD]}")) ;;
	esac
}
complete -F _coffer coffer
