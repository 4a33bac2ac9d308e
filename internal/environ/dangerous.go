package environ

import (
	"slices"
	"strings"
)

// refusedNames make the loader, the C library or the shell run other code, write elsewhere or ask
// another server for names, whatever the program. Whoever may write a secret must not get to run
// code where it is read. The C library's are those that glibc drops for setuid programs
// (sysdeps/generic/unsecvars.h), but for TMPDIR.
var refusedNames = []string{
	"LD_*", "DYLD_*", "GLIBC_TUNABLES", "MALLOC*", "*_MALLOC_CONF",
	"GCONV_PATH", "GETCONF_DIR", "LOCPATH", "MUSL_LOCPATH", "NLSPATH", "TZDIR",
	"HOSTALIASES", "LOCALDOMAIN", "RES_OPTIONS", "RESOLV_*",
	"BASH_ENV", "BASHOPTS", "ENV", "FPATH", "IFS", "PROMPT_COMMAND", "PS0", "PS1", "PS2", "PS4", "SHELLOPTS", "ZDOTDIR",
	"PATH", "CDPATH",
	"COMSPEC", "PATHEXT", "PSMODULEPATH", "SYSTEMROOT", "WINDIR",
}

// noticedNames do so for some programs, or send traffic elsewhere, and are often meant. PAGER, EDITOR
// and BROWSER are not among them: what they name is run where a person asks for it, and services
// of these names have secrets.
var noticedNames = []string{
	"NODE_OPTIONS", "NODE_PATH", "PYTHON*", "PERL5*", "PERLLIB", "RUBY*", "LUA_*", "PHPRC", "PHP_INI_SCAN_DIR",
	"JAVA_TOOL_OPTIONS", "*_JAVA_OPTIONS", "CLASSPATH", "DOTNET_*", "COR_*", "CORECLR_*", "COMPLUS_*",
	"GIT_*", "*_PROXY", "SSL_CERT_*", "OPENSSL_*", "CURL_HOME", "CURL_CA_BUNDLE", "AWS_ENDPOINT_URL*", "KUBECONFIG",
	"*_ASKPASS", "LESSOPEN", "LESSCLOSE", "GODEBUG", "*SAN_OPTIONS", "HOME", "USERPROFILE", "SHELL", "TMPDIR",
}

func refused(name string) bool { return named(refusedNames, name) }
func noticed(name string) bool { return named(noticedNames, name) }

// named compares without regard to case, as Windows does.
func named(patterns []string, name string) bool {
	name = strings.ToUpper(name)
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		begin, end, star := strings.Cut(pattern, "*") // there is one at most
		if !star {
			return name == pattern
		}
		return len(name) >= len(begin)+len(end) && strings.HasPrefix(name, begin) && strings.HasSuffix(name, end)
	})
}
