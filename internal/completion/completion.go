// Package completion completes command lines: a script for each shell asks the program for the
// words, so that it knows the services and keys of a store.
package completion

import _ "embed" // of the scripts

var (
	//go:embed coffer.bash
	bash string
	//go:embed coffer.zsh
	zsh string
	//go:embed coffer.fish
	fish string
)

// Script returns the script of a shell, "" for one that it does not know.
func Script(shell string) string {
	switch shell {
	case "bash":
		return bash
	case "zsh":
		return zsh
	case "fish":
		return fish
	}
	return ""
}
