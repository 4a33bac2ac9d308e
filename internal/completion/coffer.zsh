#compdef coffer
# source <(coffer completion zsh), or put it into a folder of $fpath as _coffer
_coffer() {
	local -a found shown
	found=("${(@f)$(coffer __complete --descriptions -- "${(@)words[2,$CURRENT]}" 2>/dev/null)}")
	found=("${(@)found:#}")
	case "${found[1]}" in
	__files__) _files ;;
	__commands__) _command_names -e ;;
	*)
		# One line for each word with its description, unless none has one.
		if [[ "${(j::)found}" == *$'\t'* ]]; then
			shown=("${(@)found//$'\t'/  -- }")
			compadd -l -d shown -- "${(@)found%%$'\t'*}"
		else
			compadd -- "$found[@]"
		fi
		;;
	esac
}
if [[ "$funcstack[1]" == "_coffer" ]]; then _coffer "$@"; else compdef _coffer coffer; fi
