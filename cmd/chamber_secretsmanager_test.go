//go:build unix

package cmd_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/coffer-secrets/coffer/internal/testing/mototest"
)

func TestASecretThatChamberLeftInSecretsManager(t *testing.T) {
	const region = "eu-central-2"
	b := onMoto(t, region, "secretsmanager")
	client := secretsmanager.New(secretsmanager.Options{
		BaseEndpoint: aws.String(mototest.Start(t)), Region: region, Credentials: credentials.NewStaticCredentialsProvider("moto", "moto", ""),
	})
	var left struct {
		Name, SecretString string
		VersionStages      []string
	}
	parse(t, readFile(t, chamberData+"/secretsmanager-api.json"), &left)
	if _, err := client.CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{Name: &left.Name}); err != nil {
		t.Fatal(err)
	}
	if _, err := client.PutSecretValue(t.Context(), &secretsmanager.PutSecretValueInput{
		SecretId: &left.Name, SecretString: &left.SecretString, VersionStages: left.VersionStages,
	}); err != nil {
		t.Fatal(err)
	}
	if got := b.out("export api"); got != `{"db_url":"sm1","token":"sm2"}`+"\n" {
		t.Errorf("coffer export api: %s", got)
	}
	if got := b.out("env api"); got != "export DB_URL=sm1\nexport TOKEN=sm2\n" {
		t.Errorf("coffer env api: %s", got)
	}
	b.do("write api token -", "sm3")
	out, err := client.GetSecretValue(t.Context(), &secretsmanager.GetSecretValueInput{
		SecretId: &left.Name, VersionStage: aws.String("AWSCURRENT"), // the default on AWS, and not in moto after a move of the stage
	})
	if err != nil {
		t.Fatal(err)
	}
	var now map[string]string // chamber's rules: keys beside the metadata, which is JSON in a string
	parse(t, []byte(*out.SecretString), &now)
	var metadata map[string]chamberVersion
	parse(t, []byte(now["_chamber_metadata"]), &metadata)
	if now["db_url"] != "sm1" || now["token"] != "sm3" || metadata["db_url"].Version != 1 || metadata["token"].Version != 2 || len(now) != 3 {
		t.Errorf("chamber reads %d keys, db_url=%q version %d, token=%q version %d",
			len(now)-1, now["db_url"], metadata["db_url"].Version, now["token"], metadata["token"].Version)
	}
}
