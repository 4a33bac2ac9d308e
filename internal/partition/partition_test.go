package partition_test

import (
	"encoding/json"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/coffer-secrets/coffer/internal/partition"
)

// sdkPartitions is the SDK's own table. It is in an internal package of the module, so that the
// file is read.
func sdkPartitions(t *testing.T) (table struct {
	Partitions []struct {
		ID      string
		Regions map[string]json.RawMessage
		Outputs struct{ DNSSuffix, DualStackDNSSuffix string }
	}
},
) {
	t.Helper()
	dir, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "github.com/aws/aws-sdk-go-v2").Output()
	if err != nil {
		t.Fatalf("where the SDK's source is: %v", err)
	}
	text, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(dir)), "internal", "endpoints", "awsrulesfn", "partitions.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &table); err != nil {
		t.Fatal(err)
	}
	if len(table.Partitions) < 8 {
		t.Fatalf("the SDK knows %d partitions", len(table.Partitions))
	}
	return table
}

func TestEveryPartitionOfTheSDKIsKnown(t *testing.T) {
	for _, want := range sdkPartitions(t).Partitions {
		if len(want.Regions) == 0 {
			t.Errorf("%s has no region", want.ID)
		}
		for region := range want.Regions {
			if region == "aws-global" || strings.HasPrefix(region, "aws-") { // no bucket is in a global one
				continue
			}
			if got := partition.Of(region); got.ID != want.ID || got.Suffix != want.Outputs.DNSSuffix {
				t.Errorf("%s: %+v; want %s, %s", region, got, want.ID, want.Outputs.DNSSuffix)
			}
			for _, host := range []string{
				"s3." + region + "." + want.Outputs.DNSSuffix,
				"bucket.vpce-0a1b-2c3d.s3." + region + ".vpce." + want.Outputs.DNSSuffix,
				"s3." + region + "." + want.Outputs.DualStackDNSSuffix,
			} {
				if !partition.IsS3(host) {
					t.Errorf("%s is not taken for AWS's", host)
				}
			}
			for _, p := range []s3.EndpointParameters{
				{},
				{UseFIPS: aws.Bool(true)},
				{UseDualStack: aws.Bool(true)},
				{Bucket: aws.String("acme-secrets")},
				{Bucket: aws.String("acme-secrets"), ForcePathStyle: aws.Bool(true)},
				{Bucket: aws.String("acme--use1-az4--x-s3")}, // a directory bucket
			} {
				p.Region = aws.String(region)
				endpoint, err := s3.NewDefaultEndpointResolverV2().ResolveEndpoint(t.Context(), p)
				if err != nil {
					continue // the SDK has no such server there
				}
				if !partition.IsS3(endpoint.URI.Hostname()) {
					t.Errorf("%s is not taken for AWS's", &endpoint.URI)
				}
			}
		}
	}
}

func TestServersOfOthersAreNotAWS(t *testing.T) {
	for _, address := range []string{
		"http://127.0.0.1:9000", "https://minio.example", "https://s3.example.com", "https://s3.amazonaws.com.example",
		"https://s3.eu-west-1.notamazonaws.com", "https://amazonaws.com", "https://s3.wasabisys.com", "https://s3.eu-central-003.backblazeb2.com",
		// Run by a customer of AWS, under a name of AWS's.
		"https://ec2-203-0-113-7.compute-1.amazonaws.com", "https://ec2-203-0-113-7.eu-west-1.compute.amazonaws.com.cn:9000",
		"https://minio-1234567890.eu-west-1.elb.amazonaws.com", "https://s3-minio-1234567890.eu-west-1.elb.amazonaws.com",
		"https://a1b2c3.execute-api.eu-west-1.amazonaws.com",
	} {
		u, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		if partition.IsS3(u.Hostname()) || partition.IsAWS(u.Hostname()) {
			t.Errorf("%s is taken for AWS's", address)
		}
	}
	for _, host := range []string{"S3.Amazonaws.Com.", "s3-eu-west-1.amazonaws.com", "acme.s3-accelerate.amazonaws.com", "s3.dualstack.eu-west-1.amazonaws.com"} {
		if !partition.IsS3(host) {
			t.Errorf("%s is not taken for AWS's", host)
		}
	}
	for _, host := range []string{"sts.amazonaws.com", "kms.cn-north-1.amazonaws.com.cn", "vpce-1.ssm.eu-west-1.vpce.amazonaws.com"} {
		if !partition.IsAWS(host) || partition.IsS3(host) {
			t.Errorf("%s is no service of AWS's, or S3", host)
		}
	}
}
