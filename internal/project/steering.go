package project

import (
	"path"
	"slices"
	"strings"

	"github.com/coffer-secrets/coffer/environ"
)

// steering are more variables that run other code, or make a program trust another server or use another
// account, besides those of [environ.IsDangerous]: PAGER is run by git, MAKEFLAGS by make. Secrets may have
// these names. The list can't be complete, as each program has its own.
var steering = []string{
	// Programs that others start.
	"PAGER", "*_PAGER", "MANPAGER", "EDITOR", "*_EDITOR", "VISUAL", "BROWSER", "LESS*", "MANOPT", "*_SHELL", "*_COMMAND",
	"VIM*", "EXINIT", "NVIM*", "EMACS*", "FZF_*", "TMUX*", "SCREENRC", "INPUTRC", "TERMINFO*", "TERMCAP",
	// Compilers, build tools and package managers. GOOGLE_API_KEY is a usual name of a secret.
	"MAKE*", "GNUMAKE*", "CMAKE_*", "CC", "CXX", "CPP", "LD", "AR", "AS", "*FLAGS", "PKG_CONFIG*", "RUSTC*", "RUSTDOC*", "RUSTUP_*", "CARGO_*", "GO[^O]*",
	"GEM_*", "BUNDLE_*", "MAVEN_*", "GRADLE_*", "JAVA_*", "JDK_*", "*_OPTS", "SBT_*", "ANT_*", "COMPOSER_*", "R_PROFILE*", "R_ENVIRON*", "R_LIBS*", "JULIA_*",
	"ERL_*", "NODE_*", "NPM_*", "TS_NODE_*", "DENO_*", "BUN_*", "ELECTRON_*", "YARN_*", "PNPM_*", "PIP_*", "PIPENV_*", "UV_*", "POETRY_*", "CONDA_*", "NIX_*",
	"ASPNETCORE_HOSTINGSTARTUPASSEMBLIES", "TF_CLI_*", "TF_PLUGIN_*", "TF_REATTACH_PROVIDERS", "TF_DATA_DIR", "ANSIBLE_*", "HELM_*",
	// Libraries, desktops and where settings are.
	"GTK_*", "QT_*", "GIO_*", "XDG_*", "DBUS_*", "SYSTEMD_*", "WGETRC", "CURL_*", "MYSQL_HOME", "LIBMYSQL_*", "GNUPGHOME",
	"RSYNC_*", "SVN_SSH", "CVS_RSH", "SSH_AUTH_SOCK", "PSQL*", "PGSSL*", "PGSERVICE*", "PGPASSFILE", "PGSYSCONFDIR",
	// Servers, and whom a program trusts.
	"*PROXY*", "*_CA_BUNDLE", "*_CA_CERTS", "GRPC_*", "SSLKEYLOGFILE", "KRB5*", "LDAPTLS_*", "LDAPRC", "LDAPCONF", "*_REGISTRY", "*_INDEX_URL",
	"VAULT_ADDR", "VAULT_SKIP_VERIFY", "VAULT_CACERT", "VAULT_CAPATH", "VAULT_AGENT_ADDR", "DOCKER_*", "KUBE*", "GOOGLE_EXTERNAL_ACCOUNT_*", "GOOGLE_APPLICATION_CREDENTIALS",
}

// credentials end the names of variables of those families that are the caller's own secrets, such as NPM_TOKEN
// or DOCKER_PASSWORD: nothing is run or trusted because of them.
var credentials = []string{"_TOKEN", "_PASSWORD", "_API_KEY"}

// steers reports whether a variable, set by a file of somebody else, could change which code a program
// runs, whom it trusts, or which store and account it uses. A secret of that name is at most reported by
// [environ.Build]: whoever may write secrets is trusted more than whoever may change a repository.
func steers(name string) bool {
	name = strings.ToUpper(name)
	switch name {
	case "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN": // of the program, as secrets
		return false
	}
	if environ.IsDangerous(name) || strings.HasPrefix(name, "AWS_") {
		return true
	}
	return slices.ContainsFunc(steering, func(pattern string) bool {
		matched, _ := path.Match(pattern, name) // a name has no slash
		return matched
	}) && !slices.ContainsFunc(credentials, func(end string) bool { return strings.HasSuffix(name, end) })
}
