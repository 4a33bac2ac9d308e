# source <(coffer completion bash)
_coffer() {
	local IFS=$'\n' line i
	local -a found=()
	COMPREPLY=()
	while IFS= read -r line; do
		found+=("$line")
		COMPREPLY+=("${line%%$'\t'*}")
	done < <(coffer __complete --descriptions -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
	case ${COMPREPLY-} in
	__files__) COMPREPLY=($(compgen -f -- "${COMP_WORDS[COMP_CWORD]}")) ;;
	__commands__) COMPREPLY=($(compgen -c -- "${COMP_WORDS[COMP_CWORD]}")) ;;
	*)
		# bash shows what it would insert, and nothing else. So a description is added only while it lists
		# several words, after a second TAB (63), or after one with show-all-if-ambiguous (33).
		if [[ ${#found[@]} -gt 1 && (${COMP_TYPE-} == 63 || ${COMP_TYPE-} == 33) ]]; then
			for i in "${!found[@]}"; do
				if [[ ${found[i]} == *$'\t'* ]]; then
					printf -v 'COMPREPLY[i]' '%-22s (%s)' "${COMPREPLY[i]}" "${found[i]#*$'\t'}"
				fi
			done
		fi
		;;
	esac
}
complete -F _coffer coffer
