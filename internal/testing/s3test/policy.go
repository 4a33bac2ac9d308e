package s3test

import (
	"slices"
	"strings"
)

// Policy contains what a principal is denied. The zero Policy allows everything. Patterns match
// objects in any bucket: * matches any characters, including slashes, and ? matches one.
type Policy struct {
	DenyList     bool     // s3:ListBucket. A missing key is then 403 AccessDenied
	ListPrefixes []string // allows listing only prefixes that start with one of these. A missing key is then 403 too

	DenyGet     []string // s3:GetObject: GET, HEAD, a copy's source, and the condition If-Match
	DenyPut     []string
	DenyDelete  []string
	DenyTagging []string // s3:GetObjectTagging, PutObjectTagging, DeleteObjectTagging

	DenyListVersions  bool     // s3:ListBucketVersions
	DenyGetVersion    []string // s3:GetObjectVersion
	DenyDeleteVersion []string // s3:DeleteObjectVersion

	// DenySettings denies all settings of buckets, and with ListPrefixes also HeadBucket, as AWS does.
	DenySettings       bool
	DenySettingChanges bool // only those that change a setting

	DenyDecrypt         []string // keys, by any of their names, or "*"
	DenyGenerateDataKey []string // likewise; without it nothing can be written with a key
	DenyEncrypt         []string // likewise, for kms:Encrypt
	DenyDescribe        bool     // kms:DescribeKey and kms:ListAliases

	// DenyContext denies kms:Encrypt and kms:Decrypt with an encryption context that has one of these
	// "name=value" pairs. The value is a pattern.
	DenyContext []string
}

// listsAll reports whether the principal has s3:ListBucket without a condition: a read has no
// prefix that could satisfy one.
func (p Policy) listsAll() bool { return !p.DenyList && len(p.ListPrefixes) == 0 }

func (p Policy) lists(prefix string) bool {
	if p.DenyList {
		return false
	}
	return len(p.ListPrefixes) == 0 || slices.ContainsFunc(p.ListPrefixes, func(allowed string) bool {
		return strings.HasPrefix(prefix, allowed)
	})
}

func (p Policy) patterns(action string) []string {
	switch action {
	case "s3:GetObject":
		return p.DenyGet
	case "s3:PutObject":
		return p.DenyPut
	case "s3:DeleteObject":
		return p.DenyDelete
	case "s3:GetObjectVersion":
		return p.DenyGetVersion
	case "s3:DeleteObjectVersion":
		return p.DenyDeleteVersion
	case "s3:GetObjectTagging", "s3:PutObjectTagging", "s3:DeleteObjectTagging":
		return p.DenyTagging
	}
	return nil
}

// authorize checks that the caller may perform an action on an object.
func (s *Server) authorize(who *identity, action, bucket, object string) error {
	for _, pattern := range s.iam.policy(who).patterns(action) {
		if wildcard(pattern, object) {
			return s.denied(who, action, "arn:aws:s3:::"+bucket+"/"+object)
		}
	}
	return nil
}

// denied returns S3's AccessDenied for a caller of the same account.
func (s *Server) denied(who *identity, action, arn string) error {
	return fail(403, "AccessDenied", userMessage(who.arn, action, quote(arn))+
		" because no identity-based policy allows the "+action+" action")
}

func userMessage(user, action, resource string) string {
	return "User: " + user + " is not authorized to perform: " + action + " on resource: " + resource
}

// wildcard matches a pattern as IAM does.
func wildcard(pattern, name string) bool {
	for pattern != "" {
		switch pattern[0] {
		case '*':
			for i := 0; i <= len(name); i++ {
				if wildcard(pattern[1:], name[i:]) {
					return true
				}
			}
			return false
		case '?':
			if name == "" {
				return false
			}
		default:
			if name == "" || name[0] != pattern[0] {
				return false
			}
		}
		pattern, name = pattern[1:], name[1:]
	}
	return name == ""
}
