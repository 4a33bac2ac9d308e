package app

// Globals are the flags of every command. For an empty one, [App.Settings] takes the environment,
// then the configuration file, then the default.
type Globals struct {
	Backend       string `short:"b" placeholder:"NAME" help:"Where secrets are kept: s3-kms, s3, ssm, secretsmanager, local or null ($COFFER_BACKEND)."`
	Bucket        string `aliases:"backend-s3-bucket" placeholder:"NAME" help:"S3 bucket ($COFFER_S3_BUCKET)."`
	KMSKeyAlias   string `name:"kms-key-alias" placeholder:"ALIAS" help:"KMS key alias to write under ($COFFER_KMS_KEY_ALIAS)."`
	Region        string `placeholder:"REGION" help:"AWS region ($COFFER_AWS_REGION)."`
	Profile       string `placeholder:"NAME" help:"AWS profile."`
	EndpointURL   string `name:"endpoint-url" placeholder:"URL" help:"Another S3 server ($COFFER_ENDPOINT_URL)."`
	Retries       string `short:"r" placeholder:"N" help:"Attempts of a request ($COFFER_RETRIES; 10)."`
	RetryMode     string `placeholder:"MODE" help:"standard or adaptive ($COFFER_RETRY_MODE)."`
	Timeout       string `placeholder:"TIME" help:"Give up after this long without progress ($COFFER_TIMEOUT; 30s to read, 60s to change)."`
	AllowHTTP     bool   `name:"allow-http" help:"Speak to an http:// endpoint on another machine."`
	SingleWriter  bool   `help:"Change secrets on a server that ignores conditions: of writers who meet, the last wins."`
	AllowRollback bool   `help:"Accept a secret that is older than its index says."`

	Config  string `placeholder:"FILE" help:"Configuration file ($COFFER_CONFIG; coffer/config.yaml in $XDG_CONFIG_HOME or ~/.config)."`
	Context string `placeholder:"NAME" help:"Context of the configuration file ($COFFER_CONTEXT)."`

	MinThrottleDelay string `hidden:""` // accepted for older versions of chamber, which ignored it too

	JSON    bool `name:"json" help:"Print data as JSON."`
	Quiet   bool `short:"q" help:"Say nothing but errors; read prints the bare value."`
	Verbose bool `help:"Log each request to standard error."`
	NoColor bool `help:"No colour ($NO_COLOR)."`
}
