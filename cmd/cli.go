package cmd

import "github.com/coffer-secrets/coffer/internal/app"

// CLI is the whole grammar. Each command is a struct in a file of its own. The tag reads marks the
// commands that change nothing in a store, and whole those that read the grammar of all commands.
// Usage lines and examples are in internal/help.
type CLI struct {
	app.Globals `group:"Global flags"`

	Write    WriteCmd    `cmd:"" group:"Secrets" aliases:"set" help:"Store a new version of a secret."`
	Read     ReadCmd     `cmd:"" group:"Secrets" reads:"" aliases:"get" help:"Print one secret."`
	List     ListCmd     `cmd:"" group:"Secrets" reads:"" aliases:"ls" help:"List the secrets of services."`
	Services ServicesCmd `cmd:"" group:"Secrets" reads:"" aliases:"list-services" help:"List services."`
	Find     FindCmd     `cmd:"" group:"Secrets" reads:"" help:"Find secrets by key or by value."`
	History  HistoryCmd  `cmd:"" group:"Secrets" reads:"" help:"List the versions of a secret."`
	Edit     EditCmd     `cmd:"" group:"Secrets" help:"Change the secrets of a service in an editor."`
	Delete   DeleteCmd   `cmd:"" group:"Secrets" aliases:"rm" help:"Delete secrets with all their versions."`
	Restore  RestoreCmd  `cmd:"" group:"Secrets" aliases:"rollback" help:"Go back to an old version of a secret, or restore a deleted one."`
	Tag      TagCmd      `cmd:"" group:"Secrets" help:"Read, write and delete the tags of a secret."`

	Exec   ExecCmd   `cmd:"" group:"Running programs" reads:"" aliases:"run" help:"Run a command with secrets in its environment."`
	Cache  CacheCmd  `cmd:"" group:"Running programs" help:"List or delete the secrets that exec --cache has stored on this machine."`
	Env    EnvCmd    `cmd:"" group:"Running programs" reads:"" help:"Print secrets as variables for a shell."`
	Export ExportCmd `cmd:"" group:"Running programs" reads:"" help:"Print secrets in the format of another program."`
	Check  CheckCmd  `cmd:"" group:"Running programs" reads:"" help:"Compare a project's file, coffer.yaml, with its services."`
	MCP    MCPCmd    `cmd:"" name:"mcp" group:"Running programs" reads:"" help:"Let an agent run commands with secrets that it can't see."`
	Scan   ScanCmd   `cmd:"" group:"Running programs" reads:"" help:"Find the values of secrets in files, in git's history, or in a stream."`
	Inject InjectCmd `cmd:"" group:"Running programs" reads:"" help:"Fill secrets into files."`
	Lock   LockCmd   `cmd:"" group:"Running programs" reads:"" help:"Record the versions of secrets in a file, for exec --locked."`

	Import  ImportCmd  `cmd:"" group:"Moving and comparing" help:"Store the secrets of a file."`
	Copy    CopyCmd    `cmd:"" group:"Moving and comparing" help:"Copy secrets to another service or context."`
	Diff    DiffCmd    `cmd:"" group:"Moving and comparing" reads:"" help:"Compare two services, contexts or versions."`
	Migrate MigrateCmd `cmd:"" group:"Moving and comparing" help:"Copy services to another backend, with their history."`

	Keys   KeysCmd   `cmd:"" group:"Keys and access" help:"Show which keys encrypt your secrets; manage who holds them."`
	Rekey  RekeyCmd  `cmd:"" group:"Keys and access" help:"Move secrets to another key, with their history."`
	Policy PolicyCmd `cmd:"" group:"Keys and access" help:"Print the IAM policies that a role needs, or check them."`
	Share  ShareCmd  `cmd:"" group:"Keys and access" help:"Create a temporary link to a secret."`
	Audit  AuditCmd  `cmd:"" group:"Keys and access" reads:"" help:"Show who wrote secrets, or with --cloudtrail who read them."`

	Init       InitCmd       `cmd:"" group:"Setup" help:"Create the bucket, the key and the alias if they don't exist."`
	Doctor     DoctorCmd     `cmd:"" group:"Setup" help:"Find and repair problems of services and their bucket."`
	Config     ConfigCmd     `cmd:"" group:"Setup" reads:"" help:"Show the settings in force, and where each comes from."`
	Whoami     WhoamiCmd     `cmd:"" group:"Setup" reads:"" help:"Show your identity, the store and its endpoints."`
	Completion CompletionCmd `cmd:"" group:"Setup" reads:"" help:"Print a completion script for bash, zsh or fish."`
	Version    VersionCmd    `cmd:"" group:"Setup" reads:"" help:"Print the version."`
	Help       HelpCmd       `cmd:"" group:"Setup" reads:"" whole:"" help:"Show the help of a command or a topic."`

	Complete completeCmd `cmd:"" reads:"" whole:"" name:"__complete" hidden:""`
}
