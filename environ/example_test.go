package environ_test

import (
	"fmt"
	"log"

	"github.com/coffer-secrets/coffer/environ"
	"github.com/coffer-secrets/coffer/store"
)

// contents is what the Load of a store returns.
func contents(service string, secrets ...string) store.Contents {
	c := store.Contents{Service: service, Listed: len(secrets) / 2}
	for i := 0; i < len(secrets); i += 2 {
		c.Secrets = append(c.Secrets, store.Secret{
			Meta:  store.Meta{ID: store.ID{Service: service, Key: secrets[i]}, Version: 1},
			Value: store.NewValue(secrets[i+1]),
		})
	}
	return c
}

// Build the environment of a child process as coffer exec does, for example for exec.Cmd.Env.
func ExampleBuild() {
	parent := []string{"HOME=/home/app", "COFFER_S3_BUCKET=acme-secrets"}
	api := contents("api", "db-password", "correct horse", "debug", "1")

	env, notices, err := environ.Build(parent, environ.Layers(api), environ.Rules{Except: []string{"debug"}})
	if err != nil {
		log.Fatal(err)
	}
	for _, n := range notices {
		log.Print(n.Text)
	}
	for _, v := range env {
		fmt.Println(v.Name, v.Value) // Strings reveals the values
	}
	fmt.Println(env.Secrets().Strings())
	// Output:
	// HOME [redacted]
	// DB_PASSWORD [redacted]
	// [DB_PASSWORD=correct horse]
}

// A secret can't set a variable with which any program runs other code.
func ExampleRules() {
	plugins := environ.Layers(contents("plugins", "ld_preload", "/tmp/evil.so"))

	_, _, err := environ.Build(nil, plugins, environ.Rules{})
	fmt.Println(err)
	env, _, err := environ.Build(nil, plugins, environ.Rules{AllowEnv: []string{"LD_PRELOAD"}})
	fmt.Println(len(env), err)
	// Output:
	// "plugins/ld_preload" would set LD_PRELOAD, which can make any program run other code
	// 1 <nil>
}
