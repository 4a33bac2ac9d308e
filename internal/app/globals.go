package app

// Globals are the flags of every command. For an empty one, [App.Settings] takes the environment,
// then the configuration file, then the default.
type Globals struct {
	Backend       string `short:"b" placeholder:"NAME" help:"Backend: s3-kms, s3, s3-envelope, s3-age, ssm, secretsmanager, local or null ($COFFER_BACKEND)."`
	Bucket        string `aliases:"backend-s3-bucket" placeholder:"NAME" help:"The S3 bucket ($COFFER_S3_BUCKET)."`
	KMSKeyAlias   string `name:"kms-key-alias" placeholder:"ALIAS" help:"The key alias that new secrets are encrypted under ($COFFER_KMS_KEY_ALIAS)."`
	Identity      string `placeholder:"FILE" help:"Your age identity or SSH private key, for s3-age (default ~/.config/coffer/identity.txt)."`
	Region        string `placeholder:"REGION" help:"The AWS region ($COFFER_AWS_REGION)."`
	Profile       string `placeholder:"NAME" help:"The AWS profile."`
	EndpointURL   string `name:"endpoint-url" placeholder:"URL" help:"The URL of another S3 server ($COFFER_ENDPOINT_URL)."`
	Retries       string `short:"r" placeholder:"N" help:"The maximum number of attempts for each request ($COFFER_RETRIES; default 10)."`
	RetryMode     string `placeholder:"MODE" help:"How to repeat requests: standard or adaptive ($COFFER_RETRY_MODE)."`
	Timeout       string `placeholder:"TIME" help:"Stop after this long without progress ($COFFER_TIMEOUT; default 30s to read, 60s to change)."`
	AllowHTTP     bool   `name:"allow-http" help:"Allow http:// to another machine."`
	SingleWriter  bool   `help:"Write to a server without conditional writes. Only safe if nobody else writes: of two writers, the last wins."`
	AllowRollback bool   `help:"Accept a secret that was replaced by an older version."`
	TrustFirstUse bool   `name:"trust-on-first-use" help:"Accept the key of an alias that is seen for the first time, in CI, for s3-age."`

	Config  string `placeholder:"FILE" help:"The configuration file ($COFFER_CONFIG; default ~/.config/coffer/config.yaml)."`
	Context string `placeholder:"NAME" help:"Use this context of the configuration file ($COFFER_CONTEXT)."`

	bucketFlag string // of Bucket, if it isn't --bucket

	MinThrottleDelay string `hidden:""` // accepted for older versions of chamber, which ignored it too

	JSON    bool `name:"json" help:"Print data as JSON."`
	Quiet   bool `short:"q" help:"Print errors only. coffer read prints only the value."`
	Verbose bool `help:"Log each request to standard error."`
	NoColor bool `help:"Print no colors ($NO_COLOR)."`
}
