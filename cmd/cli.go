package cmd

import "github.com/coffer-secrets/coffer/internal/app"

// CLI is the whole grammar. Each command is a struct in a file of its own. The tag reads marks the
// commands that change nothing in a store.
type CLI struct {
	app.Globals `group:"Global flags:"`

	Write    WriteCmd    `cmd:"" aliases:"set" help:"Store a new version of a secret."`
	Read     ReadCmd     `cmd:"" reads:"" aliases:"get" help:"Print one secret."`
	List     ListCmd     `cmd:"" reads:"" aliases:"ls" help:"List the secrets of services."`
	Services ServicesCmd `cmd:"" reads:"" aliases:"list-services" help:"List services."`
	History  HistoryCmd  `cmd:"" reads:"" help:"List the versions of a secret."`
	Delete   DeleteCmd   `cmd:"" aliases:"rm" help:"Delete secrets with all their versions."`
	Exec     ExecCmd     `cmd:"" reads:"" aliases:"run" help:"Run a command with the secrets of services in its environment."`
	Env      EnvCmd      `cmd:"" reads:"" help:"Print secrets as export lines for a shell."`
	Export   ExportCmd   `cmd:"" reads:"" help:"Print secrets in the format of another program."`
	Import   ImportCmd   `cmd:"" help:"Store the secrets of a file."`
	Find     FindCmd     `cmd:"" reads:"" help:"Find where a key, or a value, stands."`
	Tag      TagCmd      `cmd:"" help:"Read, write and delete tags of a secret."`

	Rekey  RekeyCmd  `cmd:"" help:"Move secrets to another key, with their history."`
	Keys   KeysCmd   `cmd:"" reads:"" help:"Tell which keys secrets are under, and what state they are in."`
	Doctor DoctorCmd `cmd:"" aliases:"check" help:"Find out what is wrong with services and their bucket, and mend it."`
	Audit  AuditCmd  `cmd:"" reads:"" help:"Tell who wrote secrets, or with --cloudtrail who read them."`

	Restore RestoreCmd `cmd:"" aliases:"rollback" help:"Make an old version of a secret the newest, or bring back a deleted one."`
	Edit    EditCmd    `cmd:"" help:"Change the secrets of a service in an editor."`
	Copy    CopyCmd    `cmd:"" help:"Copy secrets to another service or context."`
	Diff    DiffCmd    `cmd:"" reads:"" help:"Compare two services, contexts or versions."`
	Migrate MigrateCmd `cmd:"" help:"Copy services to another backend, with their history."`

	Share  ShareCmd  `cmd:"" help:"Make a link to one value, for a time."`
	Policy PolicyCmd `cmd:"" help:"Print the IAM policies that a role needs, or check them."`
	Init   InitCmd   `cmd:"" help:"Make, or check, the bucket and its key."`

	Config     ConfigCmd     `cmd:"" reads:"" help:"Print the settings in force, and where they come from."`
	Whoami     WhoamiCmd     `cmd:"" reads:"" help:"Print your identity, the store and its endpoints."`
	Completion CompletionCmd `cmd:"" reads:"" help:"Print completions for a shell."`
	Version    VersionCmd    `cmd:"" reads:"" help:"Print the version."`

	Complete completeCmd `cmd:"" reads:"" name:"__complete" hidden:""`
}
