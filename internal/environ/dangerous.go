package environ

import (
	"path"
	"slices"
	"strings"
)

// refusedNames make the loader or the shell run other code, whatever the program. Whoever
// may write a secret must not get to run code where it is read.
var refusedNames = []string{
	"LD_*", "DYLD_*", "GCONV_PATH", "LOCPATH",
	"BASH_ENV", "ENV", "IFS", "SHELLOPTS", "PS4", "PATH",
}

// noticedNames do so for some programs, or send traffic elsewhere, and are often meant.
var noticedNames = []string{
	"NODE_OPTIONS", "PYTHON*", "PERL5*", "RUBY*", "JAVA_TOOL_OPTIONS", "*_JAVA_OPTIONS", "DOTNET_*",
	"GIT_*", "*_PROXY", "SSL_CERT_*", "AWS_ENDPOINT_URL*", "KUBECONFIG",
}

func refused(name string) bool { return named(refusedNames, name) }
func noticed(name string) bool { return named(noticedNames, name) }

// named compares without regard to case, as Windows does.
func named(patterns []string, name string) bool {
	name = strings.ToUpper(name)
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		ok, _ := path.Match(pattern, name)
		return ok
	})
}
