package help

import (
	"strings"

	"github.com/alecthomas/kong"

	"github.com/coffer-secrets/coffer/store"
)

// Instead returns what to do here in place of a command of another tool (chamber, vault, doppler, op, aws,
// env), or of a word that people try; "" if the word is none that is known. What it returns is a
// sentence that ends with a command line, in which words in capitals are placeholders. next is the word
// after it; it says which command of a group is meant.
func Instead(word, next string) string {
	switch word {
	case "kv", "ssm", "secretsmanager", "secret", "item", "parameter", "param", "kms", "vault":
		if line := Instead(next, ""); line != "" {
			return line
		}
		if line := own(next); line != "" {
			return line
		}
		return "did you mean: coffer --help"
	case "put", "add", "create", "new", "store", "save", "insert", "put-parameter", "put-secret-value", "create-secret", "update-secret", "encrypt":
		return "did you mean: coffer write SERVICE KEY"
	case "show", "cat", "view", "print", "reveal", "decrypt", "fetch", "lookup", "get-parameter", "get-secret-value", "describe-secret":
		return "did you mean: coffer read SERVICE KEY"
	case "secrets", "get-parameters", "get-parameters-by-path", "describe-parameters", "all":
		return "did you mean: coffer list SERVICE"
	case "projects", "environments", "namespaces", "list-secrets", "service":
		return "did you mean: coffer services"
	case "unset", "remove", "del", "destroy", "delete-parameter", "delete-parameters", "delete-secret", "unlink":
		return "did you mean: coffer delete SERVICE KEY"
	case "login", "logout", "auth", "signin", "configure":
		return "there is no login: your AWS credentials are used; to see whose they are: coffer whoami"
	case "id", "me", "get-caller-identity", "sts", "account":
		return "did you mean: coffer whoami"
	case "start", "shell":
		return "did you mean: coffer exec SERVICE -- COMMAND"
	case "printenv", "environment", "source":
		return "did you mean: coffer env SERVICE"
	case "upload", "push", "load":
		return "did you mean: coffer import SERVICE FILE"
	case "download", "pull", "dump", "output":
		return "did you mean: coffer export SERVICE"
	case "search", "grep", "query":
		return "did you mean: coffer find TEXT"
	case "mv", "move", "rename", "cp":
		return "did you mean: coffer copy SOURCE DESTINATION"
	case "versions", "log", "get-parameter-history", "list-secret-version-ids":
		return "did you mean: coffer history SERVICE KEY"
	case "undo", "revert", "undelete", "recover", "restore-secret":
		return "did you mean: coffer restore SERVICE KEY --version N"
	case "rotate", "reencrypt", "re-encrypt", "rewrap":
		return "did you mean: coffer rekey SERVICE --to ALIAS"
	case "setup", "bootstrap", "install":
		return "did you mean: coffer init"
	case "status", "health", "verify", "lint", "fsck", "repair", "fix":
		return "did you mean: coffer doctor"
	case "settings", "contexts", "context", "profiles":
		return "did you mean: coffer config"
	case "link", "presign", "send":
		return "did you mean: coffer share SERVICE KEY"
	case "tags", "list-tags-for-resource", "label":
		return "did you mean: coffer tag read SERVICE KEY"
	}
	return ""
}

// InsteadOfFlag returns the line to use for a flag that a command had, and now another one has; "" for any
// other flag.
func InsteadOfFlag(command, flag string) string {
	if command == "check" && (flag == "--fix" || flag == "--probe") { // check was an alias of doctor
		return "coffer doctor " + flag
	}
	return ""
}

// own returns how a command of coffer is used, for words such as kv get.
func own(word string) string {
	name := word
	switch word { // the aliases of commands, and what groups of other tools call them
	case "get":
		name = "read"
	case "set":
		name = "write"
	case "ls":
		name = "list"
	case "rm":
		name = "delete"
	}
	if usage := UsageOf(name); usage != "" {
		return "did you mean: " + usage
	}
	return ""
}

// UsageOf returns the first usage line of a command without what is optional; "" for an unknown one.
func UsageOf(command string) string {
	usage := Find(command).Usage
	if len(usage) == 0 {
		return ""
	}
	var words []string
	for word := range strings.FieldsSeq(usage[0]) {
		if !strings.HasPrefix(word, "[") {
			words = append(words, strings.TrimSuffix(word, "..."))
		}
	}
	return strings.Join(words, " ")
}

// NearestCommand returns the command below a node that is most similar to a word; "" if none is.
func NearestCommand(node *kong.Node, word string) string {
	var names []string
	for _, c := range node.Children {
		if !c.Hidden {
			names = append(append(names, c.Name), c.Aliases...)
		}
	}
	if found := store.Nearest(word, names); found != "" {
		return found
	}
	var begun []string
	for _, name := range names {
		if len(word) > 1 && strings.HasPrefix(name, word) {
			begun = append(begun, name)
		}
	}
	if len(begun) == 1 {
		return begun[0]
	}
	return ""
}

// NearestFlag returns the flag of a command, or the global flag, that a word with dashes may mean; "" if
// none is similar. The names that other tools have for a flag are understood.
func NearestFlag(node *kong.Node, word string) string {
	word = strings.TrimLeft(word, "-")
	long := map[string]string{} // what may be meant -> the flag
	for n := node; n != nil; n = n.Parent {
		for _, f := range n.Flags {
			if f.Hidden {
				continue
			}
			for _, name := range append(append([]string{f.Name}, f.Aliases...), otherNames(f.Name)...) {
				if long[name] == "" {
					long[name] = "--" + f.Name
				}
			}
		}
	}
	names := make([]string, 0, len(long))
	for name := range long {
		names = append(names, name)
	}
	if flag := long[word]; flag != "" {
		return flag
	}
	if len([]rune(word)) < 3 {
		return ""
	}
	return long[store.Nearest(word, names)]
}

// otherNames are names of other tools, and of habit, for a flag.
func otherNames(flag string) []string {
	switch flag {
	case "yes":
		return []string{"force", "confirm", "assume-yes", "no-prompt", "non-interactive"}
	case "overwrite":
		return []string{"force", "replace", "clobber"}
	case "dry-run":
		return []string{"simulate", "what-if", "noop", "plan"}
	case "out":
		return []string{"output", "file", "outfile", "output-path"}
	case "from-file":
		return []string{"file", "input", "value-from"}
	case "quiet":
		return []string{"silent", "raw", "plain", "value-only"}
	case "kms-key-alias":
		return []string{"kms-key", "kms-key-id", "key-id", "alias"}
	case "expand":
		return []string{"values", "show-values", "with-values", "with-decryption"}
	case "all-services":
		return []string{"all", "everything"}
	case "endpoint-url":
		return []string{"endpoint", "s3-endpoint", "url"}
	case "no-color":
		return []string{"no-colour", "nocolor"}
	case "only", "keys":
		return []string{"include", "filter"}
	case "except":
		return []string{"exclude", "ignore"}
	case "reveal":
		return []string{"show", "values", "show-values"}
	case "verbose":
		return []string{"debug", "trace"}
	case "pristine":
		return []string{"clean", "no-inherit", "ignore-environment"}
	case "expires":
		return []string{"ttl", "expire", "expires-in", "expiry"}
	}
	return nil
}
