#compdef coffer
# source <(coffer completion zsh), or put it into a folder of $fpath as _coffer
_coffer() {
	local -a found words_only shown
	local -i width=0
	local word
	found=("${(@f)$(coffer __complete --descriptions -- "${(@)words[2,$CURRENT]}" 2>/dev/null)}")
	found=("${(@)found:#}")
	case "${found[1]}" in
	__files__) _files ;;
	__commands__) _command_names -e ;;
	*)
		words_only=("${(@)found%%$'\t'*}")
		if [[ "${(j::)found}" != *$'\t'* ]]; then
			compadd -- "$words_only[@]"
			return
		fi
		# One line for each word, with its description behind it.
		for word in "$words_only[@]"; do
			((${#word} > width)) && width=${#word}
		done
		for word in "$found[@]"; do
			shown+=("${(r:width:)word%%$'\t'*}  ${${word#"${word%%$'\t'*}"}#$'\t'}")
		done
		compadd -l -d shown -- "$words_only[@]"
		;;
	esac
}
if [[ "$funcstack[1]" == "_coffer" ]]; then _coffer "$@"; else compdef _coffer coffer; fi
