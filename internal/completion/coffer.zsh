#compdef coffer
# source <(coffer completion zsh), or put it into a folder of $fpath as _coffer
_coffer() {
	local -a found
	found=("${(@f)$(coffer __complete -- "${(@)words[2,$CURRENT]}" 2>/dev/null)}")
	case "${found[1]}" in
	__files__) _files ;;
	__commands__) _command_names -e ;;
	*) compadd -- "${(@)found:#}" ;;
	esac
}
if [[ "$funcstack[1]" == "_coffer" ]]; then _coffer "$@"; else compdef _coffer coffer; fi
