package ageseal

// Aliases returns the aliases of the identity files in a directory, in the order of the files. It
// skips files that cannot be used.
func Aliases(dir string) []string {
	paths, err := identityPaths(dir)
	if err != nil {
		return nil
	}
	var aliases []string
	for _, path := range paths {
		if file := readIdentityFile(path); file.fault == nil && file.alias != "" {
			aliases = append(aliases, file.alias)
		}
	}
	return aliases
}
