//go:build unix

package cmd_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// awsCommand is a command of AWS's command line as far as the guides use it: all its options,
// and the --query, one of those between bars, with --output text, if any.
type awsCommand struct {
	options []string
	query   string
	run     func(context.Context, awsClients, map[string]string) (output string, err error)
}

const keyQueries = "KeyMetadata.KeyId|KeyMetadata.Arn"

func keyName(key *types.KeyMetadata, query string) string {
	if query == "KeyMetadata.Arn" {
		return *key.Arn
	}
	return *key.KeyId
}

type awsClients struct {
	kms *kms.Client
	s3  *s3.Client
}

var awsCommands = map[string]awsCommand{
	"kms create-key": {[]string{"description"}, keyQueries, func(ctx context.Context, c awsClients, o map[string]string) (string, error) {
		out, err := c.kms.CreateKey(ctx, &kms.CreateKeyInput{Description: aws.String(o["description"])})
		if err != nil {
			return "", err
		}
		return keyName(out.KeyMetadata, o["query"]), nil
	}},
	"kms describe-key": {[]string{"key-id"}, keyQueries, func(ctx context.Context, c awsClients, o map[string]string) (string, error) {
		out, err := c.kms.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: aws.String(o["key-id"])})
		if err != nil {
			return "", err
		}
		return keyName(out.KeyMetadata, o["query"]), nil
	}},
	"kms create-alias": {[]string{"alias-name", "target-key-id"}, "", func(ctx context.Context, c awsClients, o map[string]string) (string, error) {
		_, err := c.kms.CreateAlias(ctx, &kms.CreateAliasInput{AliasName: aws.String(o["alias-name"]), TargetKeyId: aws.String(o["target-key-id"])})
		return "", err
	}},
	"kms update-alias": {[]string{"alias-name", "target-key-id"}, "", func(ctx context.Context, c awsClients, o map[string]string) (string, error) {
		_, err := c.kms.UpdateAlias(ctx, &kms.UpdateAliasInput{AliasName: aws.String(o["alias-name"]), TargetKeyId: aws.String(o["target-key-id"])})
		return "", err
	}},
	"kms get-key-policy": {[]string{"key-id", "policy-name"}, "Policy", func(ctx context.Context, c awsClients, o map[string]string) (string, error) {
		out, err := c.kms.GetKeyPolicy(ctx, &kms.GetKeyPolicyInput{KeyId: aws.String(o["key-id"]), PolicyName: aws.String(o["policy-name"])})
		if err != nil {
			return "", err
		}
		return *out.Policy, nil
	}},
	"kms put-key-policy": {[]string{"key-id", "policy-name", "policy"}, "", func(ctx context.Context, c awsClients, o map[string]string) (string, error) {
		_, err := c.kms.PutKeyPolicy(ctx, &kms.PutKeyPolicyInput{
			KeyId: aws.String(o["key-id"]), PolicyName: aws.String(o["policy-name"]), Policy: aws.String(o["policy"]),
		})
		return "", err
	}},
	"kms disable-key": {[]string{"key-id"}, "", func(ctx context.Context, c awsClients, o map[string]string) (string, error) {
		_, err := c.kms.DisableKey(ctx, &kms.DisableKeyInput{KeyId: aws.String(o["key-id"])})
		return "", err
	}},
	"kms schedule-key-deletion": {[]string{"key-id", "pending-window-in-days"}, "", func(ctx context.Context, c awsClients, o map[string]string) (string, error) {
		days, err := strconv.ParseInt(o["pending-window-in-days"], 10, 32)
		if err != nil {
			return "", err
		}
		_, err = c.kms.ScheduleKeyDeletion(ctx, &kms.ScheduleKeyDeletionInput{KeyId: aws.String(o["key-id"]), PendingWindowInDays: aws.Int32(int32(days))})
		return "", err
	}},
	"kms decrypt": {[]string{"region", "key-id", "ciphertext-blob", "encryption-context"}, "Plaintext", func(ctx context.Context, c awsClients, o map[string]string) (string, error) {
		input := &kms.DecryptInput{KeyId: aws.String(o["key-id"]), CiphertextBlob: []byte(o["ciphertext-blob"])}
		if err := json.Unmarshal([]byte(o["encryption-context"]), &input.EncryptionContext); err != nil {
			return "", err
		}
		out, err := c.kms.Decrypt(ctx, input, func(k *kms.Options) { k.Region = o["region"] })
		if err != nil {
			return "", err
		}
		return base64.StdEncoding.EncodeToString(out.Plaintext), nil
	}},
	"s3api list-object-versions": {[]string{"bucket"}, "Versions[?!IsLatest].[Key,VersionId]", func(ctx context.Context, c awsClients, o map[string]string) (string, error) {
		var out strings.Builder
		pages := s3.NewListObjectVersionsPaginator(c.s3, &s3.ListObjectVersionsInput{Bucket: aws.String(o["bucket"])})
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				return "", err
			}
			for _, v := range page.Versions {
				if !aws.ToBool(v.IsLatest) {
					fmt.Fprintf(&out, "%s\t%s\n", *v.Key, *v.VersionId)
				}
			}
		}
		return strings.TrimSuffix(out.String(), "\n"), nil
	}},
	"s3api delete-object": {[]string{"bucket", "key", "version-id"}, "", func(ctx context.Context, c awsClients, o map[string]string) (string, error) {
		_, err := c.s3.DeleteObject(ctx, &s3.DeleteObjectInput{
			Bucket: aws.String(o["bucket"]), Key: aws.String(o["key"]), VersionId: aws.String(o["version-id"]),
		})
		return "", err
	}},
}

// awsCLI does what one line of AWS's command line says. A line of a form that is not in the
// table is refused, as is one that lacks an option: a guide that needs more has it added here.
func awsCLI(args []string, stdout, stderr io.Writer) (exit int) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	out, err := awsLine(ctx, args)
	if err != nil {
		fmt.Fprintln(stderr, "aws:", err)
		return 252
	}
	if out != "" {
		fmt.Fprintln(stdout, out)
	}
	return 0
}

func awsLine(ctx context.Context, args []string) (string, error) {
	if len(args) == 4 && args[0] == "s3" {
		return awsCopy(ctx, args[1], args[2], args[3])
	}
	if len(args) < 2 || len(args)%2 != 0 {
		return "", fmt.Errorf("unknown form: %q", args)
	}
	name := args[0] + " " + args[1]
	command, ok := awsCommands[name]
	if !ok {
		return "", fmt.Errorf("unknown command: %s", name)
	}
	given := map[string]string{}
	for i := 2; i < len(args); i += 2 {
		option, dashes := strings.CutPrefix(args[i], "--")
		if _, twice := given[option]; twice || !dashes {
			return "", fmt.Errorf("%s: unknown form: %q", name, args)
		}
		given[option] = args[i+1]
	}
	wanted := command.options
	if command.query != "" {
		if !slices.Contains(strings.Split(command.query, "|"), given["query"]) || given["output"] != "text" {
			return "", fmt.Errorf("%s: --query %q --output %q is unknown", name, given["query"], given["output"])
		}
		wanted = append(slices.Clone(wanted), "query", "output")
	}
	endpoint := given["endpoint-url"]
	delete(given, "endpoint-url")
	if have := slices.Sorted(maps.Keys(given)); !slices.Equal(have, slices.Sorted(slices.Values(wanted))) {
		return "", fmt.Errorf("%s takes %q, not %q", name, wanted, have)
	}
	for option, value := range given {
		file, ok := strings.CutPrefix(value, "file://")
		if !ok {
			file, ok = strings.CutPrefix(value, "fileb://")
		}
		if ok {
			text, err := os.ReadFile(file)
			if err != nil {
				return "", err
			}
			given[option] = string(text)
		}
	}
	clients, err := newAWSClients(ctx, endpoint)
	if err != nil {
		return "", err
	}
	return command.run(ctx, clients, given)
}

// newAWSClients are clients of what the line or the environment names, in the tests alone.
func newAWSClients(ctx context.Context, endpoint string) (awsClients, error) {
	if endpoint == "" && os.Getenv("AWS_ENDPOINT_URL") == "" {
		return awsClients{}, errors.New("there is neither --endpoint-url nor AWS_ENDPOINT_URL")
	}
	cfg, err := config.LoadDefaultConfig(ctx)
	if endpoint != "" {
		cfg.BaseEndpoint = &endpoint
	}
	return awsClients{kms.NewFromConfig(cfg), s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true })}, err
}

// awsCopy is "aws s3 cp s3://BUCKET/KEY -", and "aws s3 sync s3://BUCKET FOLDER" into an empty folder.
func awsCopy(ctx context.Context, verb, from, to string) (string, error) {
	clients, err := newAWSClients(ctx, "")
	if err != nil {
		return "", err
	}
	place, ok := strings.CutPrefix(from, "s3://")
	bucket, key, _ := strings.Cut(place, "/")
	switch {
	case ok && verb == "cp" && key != "" && to == "-":
		body, err := awsObject(ctx, clients, bucket, key)
		return string(body), err
	case !ok || verb != "sync" || key != "":
		return "", fmt.Errorf("s3 %s: unknown form: %s %s", verb, from, to)
	}
	pages := s3.NewListObjectsV2Paginator(clients.s3, &s3.ListObjectsV2Input{Bucket: aws.String(bucket)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return "", err
		}
		for _, o := range page.Contents {
			file := filepath.Join(to, filepath.FromSlash(*o.Key))
			body, err := awsObject(ctx, clients, bucket, *o.Key)
			if err == nil {
				err = os.MkdirAll(filepath.Dir(file), 0o777)
			}
			if err == nil {
				err = os.WriteFile(file, body, 0o666)
			}
			if err != nil {
				return "", err
			}
		}
	}
	return "", nil
}

func awsObject(ctx context.Context, c awsClients, bucket, key string) ([]byte, error) {
	out, err := c.s3.GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String(bucket), Key: aws.String(key)})
	if err != nil {
		return nil, err
	}
	defer out.Body.Close()
	return io.ReadAll(out.Body)
}
