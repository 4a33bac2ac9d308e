package environ

import "strings"

const nameBytes = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_"

// Name returns the name of the variable for a key: the prefix unchanged, then the key in upper case
// with "_" for "-" and ".". If that begins with a digit, it gets a "_" in front. The result matches
// [A-Za-z_][A-Za-z0-9_]*; otherwise the error is a [*NameError]. Only ASCII letters are converted, as
// in other scripts two letters can have the same upper case.
func Name(key, prefix string) (string, error) {
	name := plainName(key, prefix)
	if key == "" || strings.Trim(name, nameBytes) != "" {
		return "", &NameError{Key: key, Name: name}
	}
	return name, nil
}

// plainName is [Name] without the check.
func plainName(key, prefix string) string {
	name := make([]byte, 0, len(prefix)+len(key)+1)
	name = append(name, prefix...)
	for i := range len(key) {
		name = append(name, nameByte(key[i]))
	}
	if len(name) > 0 && name[0] >= '0' && name[0] <= '9' {
		name = append([]byte{'_'}, name...)
	}
	return string(name)
}

func nameByte(c byte) byte {
	switch {
	case c == '-' || c == '.':
		return '_'
	case c >= 'a' && c <= 'z':
		return c - 'a' + 'A'
	}
	return c
}
