package s3test

import (
	"slices"
	"strings"
)

// Policy is what a principal may not do. The zero Policy allows everything. Patterns name objects in any bucket: * stands for any
// characters, slashes too, and ? for one.
type Policy struct {
	DenyList     bool     // s3:ListBucket. A missing key is then 403 AccessDenied
	ListPrefixes []string // list only with one of these at the start of the prefix asked for. A missing key is then 403 too

	DenyGet     []string // s3:GetObject: GET, HEAD, a copy's source, and the condition If-Match
	DenyPut     []string
	DenyDelete  []string
	DenyTagging []string // s3:GetObjectTagging, PutObjectTagging, DeleteObjectTagging

	DenyListVersions  bool     // s3:ListBucketVersions
	DenyGetVersion    []string // s3:GetObjectVersion
	DenyDeleteVersion []string // s3:DeleteObjectVersion

	DenyDecrypt         []string // keys, by any of their names, or "*"
	DenyGenerateDataKey []string // likewise; without it nothing can be written under a key
	DenyDescribe        bool     // kms:DescribeKey and kms:ListAliases
}

// listsAll tells whether the principal has s3:ListBucket without condition: a read carries no prefix that could meet one.
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

// authorize tells whether the caller may do something to an object.
func (s *Server) authorize(who *identity, action, bucket, object string) error {
	for _, pattern := range s.iam.policy(who).patterns(action) {
		if wildcard(pattern, object) {
			return s.denied(who, action, "arn:aws:s3:::"+bucket+"/"+object)
		}
	}
	return nil
}

// denied is S3's AccessDenied for a caller of the same account.
func (s *Server) denied(who *identity, action, arn string) error {
	return fail(403, "AccessDenied", userMessage(who.arn, action, quote(arn))+
		" because no identity-based policy allows the "+action+" action")
}

func userMessage(user, action, resource string) string {
	return "User: " + user + " is not authorized to perform: " + action + " on resource: " + resource
}

// wildcard matches as IAM does.
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
