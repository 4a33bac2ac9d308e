//go:build unix

package cmd_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/coffer-secrets/coffer/internal/testing/s3test"
)

// asked is one question to IAM: may the caller do this, to this, in these circumstances?
type asked struct {
	action, resource string
	context          map[string]string
}

func (a asked) String() string { return fmt.Sprintf("%s on %s %v", a.action, a.resource, a.context) }

// document is a policy as printed.
type document struct {
	Statement []struct {
		Sid, Effect      string
		Action, Resource []string
		Condition        map[string]map[string][]string
	}
}

// matches tells whether a statement of this effect is about a question, as IAM does for the
// elements that are printed. Anything else in a policy is an error of the test.
func (d document) matches(t *testing.T, effect string, q asked) bool {
	t.Helper()
	for _, s := range d.Statement {
		about := func(patterns []string, name string) bool {
			return slices.ContainsFunc(patterns, func(p string) bool { return like(p, name) })
		}
		if s.Effect != effect || !about(s.Action, q.action) || !about(s.Resource, q.resource) {
			continue
		}
		holds := true
		for operator, keys := range s.Condition {
			for key, values := range keys {
				value, has := q.context[key]
				switch operator {
				case "StringLike":
					holds = holds && has && about(values, value)
				case "StringEquals", "Bool":
					holds = holds && has && slices.Contains(values, value)
				case "Null":
					holds = holds && slices.Contains(values, fmt.Sprint(!has))
				default:
					t.Fatalf("the test does not know the operator %s", operator)
				}
			}
		}
		if holds {
			return true
		}
	}
	return false
}

// like matches as StringLike does.
func like(pattern, name string) bool {
	before, after, star := strings.Cut(pattern, "*")
	if !star {
		return pattern == name
	}
	name, ok := strings.CutPrefix(name, before)
	for ok {
		if like(after, name) {
			return true
		}
		if name == "" {
			return false
		}
		name = name[1:]
	}
	return false
}

type printed struct {
	Identity document `json:"identity_policy"`
	Bucket   document `json:"bucket_policy"`
	Keys     []struct {
		Alias, Key string
		Statements json.RawMessage
	} `json:"key_policies"`
}

func printedPolicy(b *bench, line string) printed {
	b.Helper()
	got := b.run("policy "+line, "")
	var out printed
	if err := json.Unmarshal([]byte(got.stdout), &out); err != nil || got.exit != 0 {
		b.Fatalf("policy %s: exit code %d, %v\n%s", line, got.exit, err, got.stderr)
	}
	return out
}

// needs are the questions that AWS asks before it answers the requests of a run. Keys tells
// the key of each object.
func needs(b *bench, keys map[string]string) []asked {
	var out []asked
	for _, e := range b.Log() {
		out = append(out, needsOf(b, keys, e)...)
	}
	return out
}

// needsOf are the questions that AWS asks before it answers one request.
func needsOf(b *bench, keys map[string]string, e s3test.Entry) []asked {
	var out []asked
	arn := "arn:aws:s3:::" + e.Bucket + "/" + e.Key
	through := func(action, key string) {
		if key != "" {
			out = append(out, asked{action, key, map[string]string{
				"kms:ViaService": "s3.us-east-1.amazonaws.com", "kms:EncryptionContext:aws:s3:arn": arn,
			}})
		}
	}
	switch e.Op {
	case "ListObjectVersions":
		out = append(out, asked{"s3:ListBucketVersions", "arn:aws:s3:::" + e.Bucket, map[string]string{"s3:prefix": e.Prefix}})
	case "ListObjectsV2":
		out = append(out, asked{"s3:ListBucket", "arn:aws:s3:::" + e.Bucket, map[string]string{"s3:prefix": e.Prefix}})
	case "GetObject":
		out = append(out, asked{"s3:GetObject" + version(e), arn, nil})
		if e.Status == 200 {
			through("kms:Decrypt", keys[e.Key])
		}
	case "HeadObject":
		out = append(out, asked{"s3:GetObject", arn, nil})
	case "PutObject":
		out = append(out, asked{"s3:PutObject", arn, putConditions(e)})
		through("kms:GenerateDataKey", b.KMS.ARN(e.Header.Get("X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id")))
		if e.Header.Get("X-Amz-Tagging") != "" {
			out = append(out, asked{"s3:PutObjectTagging", arn, nil})
		}
		if e.Header.Get("If-Match") != "" {
			out = append(out, asked{"s3:GetObject", arn, nil})
		}
	case "DeleteObject":
		out = append(out, asked{"s3:DeleteObject" + version(e), arn, nil})
		if e.Header.Get("If-Match") != "" {
			out = append(out, asked{"s3:GetObject", arn, nil})
		}
	case "GetObjectTagging", "PutObjectTagging", "DeleteObjectTagging":
		out = append(out, asked{"s3:" + e.Op, arn, nil})
	case "Encrypt", "Decrypt":
		out = append(out, asked{"kms:" + e.Op, b.KMS.ARN(e.KeyID), contextConditions(e)})
	case "DescribeKey":
		out = append(out, asked{"kms:DescribeKey", b.KMS.ARN("alias/app"), nil})
	case "ListAliases":
		out = append(out, asked{"kms:ListAliases", "*", nil})
	case "GetBucketEncryption":
		out = append(out, asked{"s3:GetEncryptionConfiguration", "arn:aws:s3:::" + e.Bucket, nil})
	case "GetBucketLifecycleConfiguration":
		out = append(out, asked{"s3:GetLifecycleConfiguration", "arn:aws:s3:::" + e.Bucket, nil})
	case "GetPublicAccessBlock":
		out = append(out, asked{"s3:GetBucketPublicAccessBlock", "arn:aws:s3:::" + e.Bucket, nil})
	case "GetBucketPolicy", "GetBucketVersioning":
		out = append(out, asked{"s3:" + e.Op, "arn:aws:s3:::" + e.Bucket, nil})
	case "GetCallerIdentity", "": // needs no permission; not answered by this server
	default:
		b.Fatalf("the test does not know what %s needs", e.Op)
	}
	return out
}

// contextConditions are the condition keys of a request with an encryption context.
func contextConditions(e s3test.Entry) map[string]string {
	out := map[string]string{}
	for name, value := range e.Context {
		out["kms:EncryptionContext:"+name] = value
	}
	return out
}

// putConditions are the condition keys of a put.
func putConditions(e s3test.Entry) map[string]string {
	put := map[string]string{"aws:SecureTransport": "true", "s3:ObjectCreationOperation": "true"}
	for header, key := range map[string]string{"If-Match": "s3:if-match", "If-None-Match": "s3:if-none-match"} {
		if v := e.Header.Get(header); v != "" {
			put[key] = v
		}
	}
	return put
}

// version ends the name of an action on one version of an object.
func version(e s3test.Entry) string {
	if e.Version != "" {
		return "Version"
	}
	return ""
}

func keysOf(bucket *s3test.Bucket) map[string]string {
	keys := map[string]string{}
	for _, versions := range bucket.AllVersions() {
		for _, o := range versions {
			if !o.Mark {
				keys[o.Name] = o.KeyARN
			}
		}
	}
	return keys
}
