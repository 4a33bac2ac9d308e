package cmd

// CLI is the whole grammar. Each command is a struct in a file of its own.
type CLI struct {
	Globals `group:"Global flags:"`

	Write    WriteCmd    `cmd:"" aliases:"set" help:"Store a new version of a secret."`
	Read     ReadCmd     `cmd:"" aliases:"get" help:"Print one secret."`
	List     ListCmd     `cmd:"" aliases:"ls" help:"List the secrets of services."`
	Services ServicesCmd `cmd:"" aliases:"list-services" help:"List services."`
	History  HistoryCmd  `cmd:"" help:"List the versions of a secret."`
	Delete   DeleteCmd   `cmd:"" aliases:"rm" help:"Delete secrets with all their versions."`
	Exec     ExecCmd     `cmd:"" aliases:"run" help:"Run a command with the secrets of services in its environment."`
	Env      EnvCmd      `cmd:"" help:"Print secrets as export lines for a shell."`
	Export   ExportCmd   `cmd:"" help:"Print secrets in the format of another program."`
	Import   ImportCmd   `cmd:"" help:"Store the secrets of a file."`
	Find     FindCmd     `cmd:"" help:"Find where a key, or a value, stands."`
	Tag      TagCmd      `cmd:"" help:"Read, write and delete tags of a secret."`

	Config     ConfigCmd     `cmd:"" help:"Print the settings in force, and where they come from."`
	Completion CompletionCmd `cmd:"" help:"Print completions for a shell."`
	Version    VersionCmd    `cmd:"" help:"Print the version."`

	Complete completeCmd `cmd:"" name:"__complete" hidden:""`
}

// Globals are the flags of every command. Empty means: see the environment, then the
// configuration file, then the default. settings.go has the names.
type Globals struct {
	Backend       string `short:"b" placeholder:"NAME" help:"Where secrets are kept: s3-kms, s3, ssm, secretsmanager, local or null ($COFFER_BACKEND)."`
	Bucket        string `aliases:"backend-s3-bucket" placeholder:"NAME" help:"S3 bucket ($COFFER_S3_BUCKET)."`
	KMSKeyAlias   string `name:"kms-key-alias" placeholder:"ALIAS" help:"KMS key alias to write under ($COFFER_KMS_KEY_ALIAS)."`
	Region        string `placeholder:"REGION" help:"AWS region ($COFFER_AWS_REGION)."`
	Profile       string `placeholder:"NAME" help:"AWS profile."`
	EndpointURL   string `name:"endpoint-url" placeholder:"URL" help:"Another S3 server ($COFFER_ENDPOINT_URL)."`
	Retries       string `short:"r" placeholder:"N" help:"Attempts of a request ($COFFER_RETRIES; 10)."`
	RetryMode     string `placeholder:"MODE" help:"standard or adaptive ($COFFER_RETRY_MODE)."`
	AllowHTTP     bool   `name:"allow-http" help:"Speak to an http:// endpoint on another machine."`
	AllowRollback bool   `help:"Accept a secret that is older than its index says."`

	Config  string `placeholder:"FILE" help:"Configuration file ($COFFER_CONFIG; coffer/config.yaml in $XDG_CONFIG_HOME or ~/.config)."`
	Context string `placeholder:"NAME" help:"Context of the configuration file ($COFFER_CONTEXT)."`

	MinThrottleDelay string `hidden:""` // of chamber's older versions; without effect there too

	JSON    bool `name:"json" help:"Print data as JSON."`
	Quiet   bool `short:"q" help:"Say nothing but errors; read prints the bare value."`
	Verbose bool `help:"Log each request to standard error."`
	NoColor bool `help:"No colour ($NO_COLOR)."`
}
