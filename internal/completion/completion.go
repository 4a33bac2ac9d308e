// Package completion completes command lines. The script of each shell calls the program for the
// words, so the words include the services and keys of a store.
package completion

import _ "embed" // for the scripts

var (
	//go:embed coffer.bash
	bash string
	//go:embed coffer.zsh
	zsh string
	//go:embed coffer.fish
	fish string
)

// Script returns the completion script of a shell: bash, zsh or fish; "" for another one.
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
