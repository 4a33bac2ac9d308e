package s3test_test

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/coffer-secrets/coffer/internal/testing/s3test"
)

func TestEveryNameOfAKeyLeadsToItsARN(t *testing.T) {
	srv, c := start(t, s3test.Options{})
	arn := srv.KMS.CreateKey("alias/app")
	id := arn[strings.LastIndex(arn, "/")+1:]
	for _, name := range []string{"alias/app", id, arn, strings.Replace(arn, "key/"+id, "alias/app", 1)} {
		made := must(put(c, "k", "x", underKey(name)))(t)
		read, _, err := get(c, "k")
		if err != nil {
			t.Fatal(err)
		}
		told := must(head(c, "k"))(t)
		for _, got := range []*string{made.SSEKMSKeyId, read.SSEKMSKeyId, told.SSEKMSKeyId} {
			if aws.ToString(got) != arn {
				t.Errorf("%s: the answer names %q", name, aws.ToString(got))
			}
		}
		if made.ServerSideEncryption != types.ServerSideEncryptionAwsKms {
			t.Errorf("%s: encryption is %q", name, made.ServerSideEncryption)
		}
	}
	made := must(put(c, "k", "x", underKey("")))(t)
	if want := srv.KMS.ARN("alias/aws/s3"); *made.SSEKMSKeyId != want {
		t.Errorf("without a key: %s, want %s", *made.SSEKMSKeyId, want)
	}
}

func TestKeyErrorsAreAWSs(t *testing.T) {
	for _, tc := range []struct {
		what, want, message string
		spoil               func(*s3test.KMS, string)
	}{
		{"disabled", "400 KMS.DisabledException", "is disabled.", func(k *s3test.KMS, arn string) { k.SetState(arn, s3test.Disabled) }},
		{"pending deletion", "400 KMS.KMSInvalidStateException", "is pending deletion.", func(k *s3test.KMS, arn string) { k.SetState(arn, s3test.PendingDeletion) }},
		{"deleted", "400 KMS.NotFoundException", "", func(k *s3test.KMS, arn string) { k.SetState(arn, s3test.Deleted) }},
	} {
		srv, c := start(t, s3test.Options{})
		arn := srv.KMS.CreateKey("alias/app")
		srv.Bucket("b").Plant("k", []byte("hello"), s3test.AWSKMS, "alias/app")
		tc.spoil(srv.KMS, arn)
		_, _, err := get(c, "k")
		wantOutcome(t, "get, "+tc.what, err, tc.want)
		if err == nil || !strings.Contains(err.Error(), tc.message) {
			t.Errorf("%s: %v", tc.what, err)
		}
		_, err = put(c, "k", "x", underKey("alias/app"))
		wantOutcome(t, "put, "+tc.what, err, tc.want)
		told, err := head(c, "k")
		wantOutcome(t, "head, "+tc.what, err, "ok")
		if err == nil && *told.SSEKMSKeyId != arn {
			t.Errorf("head names %s", *told.SSEKMSKeyId)
		}
	}
	srv, c := start(t, s3test.Options{})
	srv.KMS.CreateSigningKey("alias/sign")
	for name, want := range map[string]string{
		"alias/none": "400 KMS.NotFoundException", "nonsense": "400 KMS.NotFoundException",
		"arn:aws:kms:eu-west-1:111122223333:alias/app": "400 KMS.NotFoundException",
		"alias/sign": "400 KMS.InvalidKeyUsageException",
	} {
		_, err := put(c, "k", "x", underKey(name))
		wantOutcome(t, name, err, want)
	}
	_, err := put(c, "k", "x", func(in *s3.PutObjectInput) {
		in.ServerSideEncryption, in.SSEKMSKeyId = types.ServerSideEncryptionAes256, aws.String("alias/app")
	})
	wantOutcome(t, "AES256 with a key", err, "400 InvalidArgument")
}

func TestDeniedKeyNamesUserActionAndKey(t *testing.T) {
	srv, c := start(t, s3test.Options{})
	arn := srv.KMS.CreateKey("alias/app")
	srv.KMS.CreateKey("alias/ops")
	srv.Bucket("b").Plant("k", []byte("hello"), s3test.AWSKMS, "alias/app")
	srv.SetPolicy(session.AccessKeyID, s3test.Policy{DenyDecrypt: []string{"alias/app"}, DenyGenerateDataKey: []string{arn}})

	_, _, err := get(c, "k")
	wantOutcome(t, "get", err, "403 AccessDenied")
	want := "User: arn:aws:sts::111122223333:assumed-role/dev/session is not authorized to perform: kms:Decrypt on resource: " + arn +
		" because no identity-based policy allows the kms:Decrypt action"
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("get: %v, want %s", err, want)
	}
	_, err = put(c, "k", "x", underKey("alias/app"))
	wantOutcome(t, "put", err, "403 AccessDenied")
	_, err = put(c, "other", "x", underKey("alias/ops"))
	wantOutcome(t, "put under another key", err, "ok")
	told := must(head(c, "k"))(t)
	if *told.SSEKMSKeyId != arn {
		t.Errorf("head names %s", *told.SSEKMSKeyId)
	}
	_, err = c.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: aws.String("b"), Key: aws.String("k"), ChecksumMode: types.ChecksumModeEnabled})
	wantOutcome(t, "head with checksums", err, "403 Forbidden")
	if _, err := put(client(srv, s3test.Principal{AccessKeyID: s3test.AdminKeyID, SecretKey: s3test.AdminSecret}), "k", "x", underKey("alias/app")); err != nil {
		t.Errorf("the administrator is denied: %v", err)
	}
}

func TestRetargetedAliasMovesNewWritesOnly(t *testing.T) {
	srv, c := start(t, s3test.Options{})
	before := srv.KMS.CreateKey("alias/app")
	must(put(c, "old", "x", underKey("alias/app")))(t)
	after := srv.KMS.CreateKey()
	srv.KMS.PointAlias("alias/app", after)
	made := must(put(c, "new", "x", underKey("alias/app")))(t)
	told := must(head(c, "old"))(t)
	if *made.SSEKMSKeyId != after || *told.SSEKMSKeyId != before {
		t.Errorf("new %s, old %s", *made.SSEKMSKeyId, *told.SSEKMSKeyId)
	}
}

func TestBucketDefaultEncryption(t *testing.T) {
	srv, c := start(t, s3test.Options{})
	arn := srv.KMS.CreateKey("alias/app")
	srv.Bucket("b").DefaultEncryption(s3test.AWSKMS, "alias/app")
	made := must(put(c, "k", "x"))(t)
	if aws.ToString(made.SSEKMSKeyId) != arn {
		t.Errorf("encrypted under %q", aws.ToString(made.SSEKMSKeyId))
	}
}

func TestEncryptionAsOtherServers(t *testing.T) {
	t.Run("versitygw says nothing of it", func(t *testing.T) {
		_, c := start(t, s3test.Options{Quirks: s3test.Versitygw()})
		made := must(put(c, "k", "x", underKey("alias/none")))(t)
		told := must(head(c, "k"))(t)
		if made.ServerSideEncryption != "" || made.SSEKMSKeyId != nil || told.ServerSideEncryption != "" || told.SSEKMSKeyId != nil {
			t.Errorf("put %q, head %q", made.ServerSideEncryption, told.ServerSideEncryption)
		}
	})
	t.Run("ceph names the key as sent", func(t *testing.T) {
		srv, c := start(t, s3test.Options{Quirks: s3test.Ceph()})
		srv.KMS.CreateKey("alias/app")
		made := must(put(c, "k", "x", underKey("alias/app")))(t)
		if *made.SSEKMSKeyId != "alias/app" {
			t.Errorf("named %s", *made.SSEKMSKeyId)
		}
	})
	t.Run("minio has its own errors", func(t *testing.T) {
		srv, c := start(t, s3test.Options{Quirks: s3test.MinIO()})
		srv.KMS.CreateKey("alias/app")
		made := must(put(c, "k", "x", underKey("alias/app")))(t)
		if *made.SSEKMSKeyId != "arn:aws:kms:alias/app" {
			t.Errorf("named %s", *made.SSEKMSKeyId)
		}
		srv.KMS.SetState("alias/app", s3test.Disabled)
		_, _, err := get(c, "k")
		wantOutcome(t, "get, disabled", err, "403 kms:NotAuthorized")
		_, err = put(c, "k", "x", underKey("alias/none"))
		wantOutcome(t, "put, unknown", err, "404 kms:KeyNotFound")
	})
	t.Run("seaweedfs cuts the body of a denied key", func(t *testing.T) {
		srv, c := start(t, s3test.Options{Quirks: s3test.SeaweedFS()})
		srv.KMS.CreateKey("alias/app")
		srv.Bucket("b").Plant("k", []byte("hello"), s3test.AWSKMS, "alias/app")
		srv.SetPolicy(session.AccessKeyID, s3test.Policy{DenyDecrypt: []string{"*"}})
		out, err := c.GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String("b"), Key: aws.String("k")})
		if err != nil || *out.ContentLength != 5 {
			t.Fatalf("%v %v", out, err)
		}
		if _, body, err := get(c, "k"); err == nil || body == "hello" {
			t.Errorf("read %q, %v", body, err)
		}
	})
}

func TestDescribeKeyAndListAliases(t *testing.T) {
	srv, _ := start(t, s3test.Options{})
	arn := srv.KMS.CreateKey("alias/app", "alias/app2")
	c := kmsClient(srv, session)
	out := must(c.DescribeKey(t.Context(), &kms.DescribeKeyInput{KeyId: aws.String("alias/app")}))(t)
	if *out.KeyMetadata.Arn != arn || !out.KeyMetadata.Enabled || out.KeyMetadata.KeyUsage != "ENCRYPT_DECRYPT" {
		t.Errorf("described: %+v", out.KeyMetadata)
	}
	srv.KMS.SetState(arn, s3test.PendingDeletion)
	out = must(c.DescribeKey(t.Context(), &kms.DescribeKeyInput{KeyId: aws.String(arn)}))(t)
	if out.KeyMetadata.KeyState != "PendingDeletion" {
		t.Errorf("state: %s", out.KeyMetadata.KeyState)
	}
	_, err := c.DescribeKey(t.Context(), &kms.DescribeKeyInput{KeyId: aws.String("alias/none")})
	wantOutcome(t, "describe, unknown", err, "400 NotFoundException")

	var names []string
	pages := kms.NewListAliasesPaginator(c, &kms.ListAliasesInput{Limit: aws.Int32(2)})
	for pages.HasMorePages() {
		for _, a := range must(pages.NextPage(t.Context()))(t).Aliases {
			names = append(names, *a.AliasName)
		}
	}
	if got := strings.Join(names, " "); got != "alias/app alias/app2 alias/aws/s3" {
		t.Errorf("aliases: %s", got)
	}
	srv.SetPolicy(session.AccessKeyID, s3test.Policy{DenyDescribe: true})
	_, err = c.ListAliases(t.Context(), nil)
	wantOutcome(t, "list, denied", err, "400 AccessDeniedException")
}
