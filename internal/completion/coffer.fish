# coffer completion fish | source
function __coffer_complete
	set -l found (coffer __complete --descriptions -- (commandline -opc)[2..] (commandline -ct) 2>/dev/null)
	switch "$found[1]"
		case __files__
			__fish_complete_path (commandline -ct)
		case __commands__
			__fish_complete_command
		case '*'
			string join \n -- $found
	end
end
complete -c coffer -f -a '(__coffer_complete)'
