package awsconf

import (
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
)

// Reader describes the caller of a configuration, as far as that is known without a request: the profile
// and what it gets credentials from, the access key of the environment, and the role. Two callers with
// different access have different descriptions, unless the same settings mean another caller since. It
// contains no secret.
//
// session is set if the access key of the environment is that of a session. It differs for each session.
func Reader(cfg aws.Config) (reader string, session bool) {
	var parts []string
	add := func(name, value string) {
		if value != "" {
			parts = append(parts, name+"="+value)
		}
	}
	for _, source := range cfg.ConfigSources {
		env, ok := source.(config.EnvConfig)
		if !ok {
			continue
		}
		session = env.Credentials.SessionToken != ""
		add("key", env.Credentials.AccessKeyID)
		add("role", env.RoleARN)
		add("token", env.WebIdentityTokenFilePath)
		add("container", env.ContainerCredentialsEndpoint+env.ContainerCredentialsRelativePath)
	}
	profile := sharedConfig(cfg)
	for p := &profile; p != nil; p = p.Source {
		add("profile", p.Profile)
		add("key", p.Credentials.AccessKeyID)
		add("role", p.RoleARN)
		add("source", p.CredentialSource)
		add("process", p.CredentialProcess)
		add("token", p.WebIdentityTokenFile)
		add("sso", strings.Trim(strings.Join([]string{p.SSOStartURL, p.SSOSessionName, p.SSOAccountID, p.SSORoleName}, " "), " "))
		add("login", p.LoginSession)
	}
	return strings.Join(parts, "\n"), session
}
