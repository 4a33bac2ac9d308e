//go:build unix

package cmd_test

import (
	"fmt"
	"os"
	"path"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"
	"github.com/google/go-cmp/cmp"

	"github.com/coffer-secrets/coffer/internal/testing/mototest"
)

// onMoto gives the environment of a run against the moto of this test binary, in a region of its own.
func onMoto(t *testing.T, region, backend string) *bench {
	t.Helper()
	address := mototest.Start(t)
	return &bench{T: t, env: append(ownEnvironment(t.TempDir()),
		"PATH="+os.Getenv("PATH"), "AWS_ACCESS_KEY_ID=moto", "AWS_SECRET_ACCESS_KEY=moto",
		"COFFER_ENDPOINT_URL="+address, "CHAMBER_AWS_REGION="+region, "CHAMBER_SECRET_BACKEND="+strings.ToUpper(backend),
	)}
}

// putChamberParameters stores the parameters that chamber left, in each of their versions, and returns
// the values of service api by their keys.
func putChamberParameters(t *testing.T, client *ssm.Client) map[string]string {
	t.Helper()
	var described struct {
		Parameters []struct {
			Name    string
			Version int64
		}
	}
	parse(t, readFile(t, chamberData+"/ssm-describe-parameters.json"), &described)
	var held struct {
		Parameters []struct{ Name, Value string }
	}
	parse(t, readFile(t, chamberData+"/ssm-get-parameters-by-path.json"), &held)
	value := map[string]string{"/api/worker/queue": "of the nested service"} // the fixture does not tell it
	want := map[string]string{}
	for _, p := range held.Parameters {
		value[p.Name] = p.Value
		want[path.Base(p.Name)] = p.Value
	}
	for _, p := range described.Parameters {
		for n := int64(1); n <= p.Version; n++ {
			text := value[p.Name]
			if n < p.Version {
				text = fmt.Sprintf("v%d", n)
			}
			_, err := client.PutParameter(t.Context(), &ssm.PutParameterInput{
				Name: aws.String(p.Name), Value: aws.String(text), Description: aws.String(fmt.Sprint(n)), Overwrite: aws.Bool(true),
				Type: types.ParameterTypeSecureString, KeyId: aws.String("alias/parameter_store_key"),
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	return want
}

func TestParametersThatChamberLeft(t *testing.T) {
	const region = "eu-south-2"
	b := onMoto(t, region, "ssm")
	b.env = append(b.env, "COFFER_ENDPOINT_URL=", "CHAMBER_AWS_SSM_ENDPOINT="+mototest.Start(t))
	client := ssm.New(ssm.Options{
		BaseEndpoint: aws.String(mototest.Start(t)), Region: region, Credentials: credentials.NewStaticCredentialsProvider("moto", "moto", ""),
	})
	want := putChamberParameters(t, client)
	var got map[string]string
	parse(t, []byte(b.out("export api")), &got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("coffer export api (-chamber +coffer):\n%s", diff)
	}
	if got := b.out("env api/worker"); got != "export QUEUE='of the nested service'\n" {
		t.Errorf("coffer env api/worker: %q", got)
	}
	if got := b.out("read -q -v 1 api db_url"); got != "v1\n" {
		t.Errorf("coffer read -v 1: %q", got)
	}

	// chamber's rules: values by path, the version in the description, in decimal.
	b.do("write api db_url -", "v3")
	b.do("import api -", `{"DASH-KEY":"dashed 2","port":8080}`)
	b.do("delete api port", "")
	page, err := client.GetParametersByPath(t.Context(), &ssm.GetParametersByPathInput{Path: aws.String("/api"), WithDecryption: aws.Bool(true)})
	if err != nil {
		t.Fatal(err)
	}
	now := map[string]string{}
	for _, p := range page.Parameters {
		now[*p.Name] = *p.Value
	}
	if diff := cmp.Diff(map[string]string{"/api/db_url": "v3", "/api/dash-key": "dashed 2"}, now); diff != "" {
		t.Errorf("chamber exec (-want +got):\n%s", diff)
	}
	out, err := client.DescribeParameters(t.Context(), &ssm.DescribeParametersInput{
		ParameterFilters: []types.ParameterStringFilter{{Key: aws.String("Name"), Option: aws.String("Equals"), Values: []string{"/api/db_url"}}},
	})
	if err != nil || len(out.Parameters) != 1 {
		t.Fatal(len(out.Parameters), err)
	}
	if d := aws.ToString(out.Parameters[0].Description); d != "3" {
		t.Errorf("the description of the third version is %q", d)
	}
}
