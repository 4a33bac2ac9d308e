package environ

import (
	"slices"
	"strings"
)

// refusedNames are variables that make any program run other code, write to other files or ask
// another DNS server: those of the loader, the C library and the shell. A person who may write a
// secret must not be able to run code where it is read. For the C library they are the variables that
// glibc drops for setuid programs (sysdeps/generic/unsecvars.h), except TMPDIR.
var refusedNames = []string{
	"LD_*", "DYLD_*", "GLIBC_TUNABLES", "MALLOC*", "*_MALLOC_CONF",
	"GCONV_PATH", "GETCONF_DIR", "LOCPATH", "MUSL_LOCPATH", "NLSPATH", "TZDIR",
	"HOSTALIASES", "LOCALDOMAIN", "RES_OPTIONS", "RESOLV_*",
	"BASH_ENV", "BASHOPTS", "ENV", "FPATH", "IFS", "PROMPT_COMMAND", "PS0", "PS1", "PS2", "PS4", "SHELLOPTS", "ZDOTDIR",
	"PATH", "CDPATH",
	"COMSPEC", "PATHEXT", "PSMODULEPATH", "SYSTEMROOT", "WINDIR",
}

// noticedNames do that for some programs, or redirect traffic, and are often intended, so they are
// reported and not refused. PAGER, EDITOR and BROWSER are not among them: programs run those only
// when a person asks for it, and they are usual names of secrets.
var noticedNames = []string{
	"NODE_OPTIONS", "NODE_PATH", "PYTHON*", "PERL5*", "PERLLIB", "RUBY*", "LUA_*", "PHPRC", "PHP_INI_SCAN_DIR",
	"JAVA_TOOL_OPTIONS", "*_JAVA_OPTIONS", "CLASSPATH", "DOTNET_*", "COR_*", "CORECLR_*", "COMPLUS_*",
	"GIT_*", "*_PROXY", "SSL_CERT_*", "OPENSSL_*", "CURL_HOME", "CURL_CA_BUNDLE", "AWS_ENDPOINT_URL*", "KUBECONFIG",
	"*_ASKPASS", "LESSOPEN", "LESSCLOSE", "GODEBUG", "*SAN_OPTIONS", "HOME", "USERPROFILE", "SHELL", "TMPDIR",
}

// IsDangerous reports whether a variable can change which code a program runs, or whom it trusts: one that
// [Build] refuses or reports.
func IsDangerous(name string) bool { return refused(name) || noticed(name) }

func refused(name string) bool { return matchesName(refusedNames, name) }
func noticed(name string) bool { return matchesName(noticedNames, name) }

// matchesName reports whether a name matches any of the patterns, without regard to case, as on
// Windows.
func matchesName(patterns []string, name string) bool {
	name = strings.ToUpper(name)
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		begin, end, star := strings.Cut(pattern, "*") // patterns have at most one star
		if !star {
			return name == pattern
		}
		return len(name) >= len(begin)+len(end) && strings.HasPrefix(name, begin) && strings.HasSuffix(name, end)
	})
}
