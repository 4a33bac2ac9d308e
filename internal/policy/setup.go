package policy

import (
	"strconv"
	"strings"

	"github.com/coffer-secrets/coffer/store/admin"
)

// The days after which the lifecycle rules delete objects.
const (
	NoncurrentDays = 30 // noncurrent versions
	ShareDays      = 8  // objects of links, which are valid for seven days at most
)

// IDs of the lifecycle rules of the bucket.
const (
	RuleNoncurrent = "coffer-noncurrent-versions"
	RuleShares     = "coffer-shares"
)

// Setup returns the bucket and, if there are keys, the first key with its alias as Terraform
// resources. without has the parts to leave out (encryption, public-access, versions, policy,
// lifecycle), with the reason, which becomes a comment.
func (s Scope) Setup(unconditional bool, without map[string]string) string {
	const bucket = "aws_s3_bucket.coffer.id"
	w := &writer{}
	resource := func(kind string, body func()) { w.block(`resource "`+kind+`" "coffer"`, body) }
	ofBucket := func(kind, part string, body func()) {
		if reason, out := without[part]; out {
			w.comment("Left out, " + part + ": " + strings.Join(strings.Fields(reason), " "))
			w.filled = true
			return
		}
		resource(kind, func() {
			w.attribute("bucket", bucket)
			body()
		})
	}
	method := quoted("AES256")
	if len(s.Keys) > 0 && !s.Sealed {
		method = quoted("aws:kms")
	}
	if len(s.Keys) > 0 {
		resource("aws_kms_key", func() { w.attribute("description", quoted("Coffer: "+s.Keys[0].Alias)) })
		resource("aws_kms_alias", func() {
			w.attribute("name", quoted(s.Keys[0].Alias))
			w.attribute("target_key_id", "aws_kms_key.coffer.key_id")
		})
	}
	resource("aws_s3_bucket", func() { w.attribute("bucket", quoted(s.Bucket)) })
	ofBucket("aws_s3_bucket_server_side_encryption_configuration", "encryption", func() {
		w.block("rule", func() {
			w.attribute("bucket_key_enabled", "false")
			w.block("apply_server_side_encryption_by_default", func() {
				w.attribute("sse_algorithm", method)
				if len(s.Keys) > 0 && !s.Sealed {
					w.attribute("kms_master_key_id", "aws_kms_key.coffer.arn")
				}
			})
		})
	})
	ofBucket("aws_s3_bucket_public_access_block", "public-access", func() {
		for _, name := range []string{"block_public_acls", "block_public_policy", "ignore_public_acls", "restrict_public_buckets"} {
			w.attribute(name, "true")
		}
	})
	ofBucket("aws_s3_bucket_versioning", "versions", func() {
		w.block("versioning_configuration", func() { w.attribute("status", quoted("Enabled")) })
	})
	ofBucket("aws_s3_bucket_lifecycle_configuration", "lifecycle", w.lifecycle)
	document := s.BucketPolicy(unconditional)
	if len(document.Statement) == 0 {
		return w.out.String()
	}
	if _, out := without["policy"]; !out {
		w.document("coffer_bucket", document, nil)
	}
	ofBucket("aws_s3_bucket_policy", "policy", func() { w.attribute("policy", "data.aws_iam_policy_document.coffer_bucket.json") })
	return w.out.String()
}

func (w *writer) lifecycle() {
	w.block("rule", func() {
		w.attribute("id", quoted(RuleNoncurrent))
		w.attribute("status", quoted("Enabled"))
		w.block("filter", func() { w.attribute("prefix", quoted("")) })
		w.block("noncurrent_version_expiration", func() { w.attribute("noncurrent_days", strconv.Itoa(NoncurrentDays)) })
	})
	w.block("rule", func() {
		w.attribute("id", quoted(RuleShares))
		w.attribute("status", quoted("Enabled"))
		w.block("filter", func() { w.attribute("prefix", quoted(admin.SharePrefix)) })
		w.block("expiration", func() { w.attribute("days", strconv.Itoa(ShareDays)) })
	})
}
