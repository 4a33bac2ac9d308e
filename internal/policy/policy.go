// Package policy writes the IAM documents of a role: what a reader, a writer or an operator
// of some services needs, and nothing beside it. It is pure: names in, documents out.
package policy

import (
	"slices"
	"strings"

	"github.com/coffer-secrets/coffer/internal/partition"
	"github.com/coffer-secrets/coffer/store/admin"
)

// Role is a kind of user.
type Role string

// The roles. Each may what the one before it may.
const (
	Reader   Role = "reader"   // reads secrets: exec, read, list, export
	Writer   Role = "writer"   // changes them: write, import, delete
	Operator Role = "operator" // and keeps them: rekey, doctor, versions, share
)

// Key is a KMS key by the alias that it is used under. ARN is "" where it is not known: a
// placeholder then stands in the documents.
type Key struct{ Alias, ARN string }

// Scope is what a role is for. Bucket, Services and Region are required.
type Scope struct {
	Region   string
	Account  string // "": not known
	Bucket   string
	Services []string
	Keys     []Key // none: objects are sealed with SSE-S3

	PlainHTTP   bool   // the server is reached without TLS: no statement may refuse that
	Tags        bool   // tags of secrets are written too
	ListAliases bool   // a key is configured by its id, so that its alias must be asked for
	Principal   string // who is named in the key's policy; "": a placeholder
}

// Document is a policy as IAM reads it.
type Document struct {
	Version   string      `json:"Version"`
	Statement []Statement `json:"Statement"`
}

// Statement is one statement of a [Document].
type Statement struct {
	Sid       string               `json:"Sid"`
	Effect    string               `json:"Effect"`
	Principal map[string][]string  `json:"Principal,omitempty"`
	Action    []string             `json:"Action"`
	Resource  []string             `json:"Resource"`
	Condition map[string]Condition `json:"Condition,omitempty"` // by operator
}

// Condition is the values that each key of a request may have.
type Condition map[string][]string

// KeyPolicy is what a key's own policy must say, where it does not leave the matter to IAM.
type KeyPolicy struct {
	Alias      string      `json:"alias"`
	Key        string      `json:"key"`
	Statements []Statement `json:"statements"`
}

// Documents are the policies of one role.
type Documents struct {
	Identity Document    `json:"identity_policy"` // of the user or role
	Keys     []KeyPolicy `json:"key_policies"`
	Bucket   Document    `json:"bucket_policy"` // for everybody
}

// PrincipalPlaceholder stands for whoever the role is given to.
const PrincipalPlaceholder = "PRINCIPAL_ARN"

// Permission is one action and what it is for.
type Permission struct{ Action, On string }

// Permissions lists what a role needs for one service, in the order in which it is tried.
func (s Scope) Permissions(role Role, service string) []Permission {
	objects := service + "/*"
	out := []Permission{{"s3:ListBucket", objects}, {"s3:GetObject", objects}}
	for _, action := range s.objectActions(role)[1:] {
		out = append(out, Permission{action, objects})
	}
	if role == Operator {
		out = append(out, Permission{"s3:ListBucketVersions", objects})
		for _, action := range versionActions {
			out = append(out, Permission{action, objects})
		}
		for _, action := range settingsActions {
			out = append(out, Permission{action, s.Bucket})
		}
	}
	for _, key := range s.Keys {
		for _, action := range sealActions(role) {
			out = append(out, Permission{action, key.Alias})
		}
		if role != Reader {
			out = append(out, Permission{"kms:DescribeKey", key.Alias})
		}
	}
	return out
}

var (
	versionActions = []string{"s3:GetObjectVersion", "s3:DeleteObjectVersion"}
	// What doctor and init look at.
	settingsActions = []string{
		"s3:GetBucketPolicy", "s3:GetBucketPublicAccessBlock", "s3:GetBucketVersioning",
		"s3:GetEncryptionConfiguration", "s3:GetLifecycleConfiguration",
	}
)

func (s Scope) objectActions(role Role) []string {
	actions := []string{"s3:GetObject"}
	if role == Reader {
		return actions
	}
	actions = append(actions, "s3:PutObject", "s3:DeleteObject")
	if s.Tags || role == Operator { // a rekey copies tags
		actions = append(actions, "s3:GetObjectTagging", "s3:PutObjectTagging", "s3:DeleteObjectTagging")
	}
	return actions
}

// sealActions are those of a key that S3 uses in the caller's name.
func sealActions(role Role) []string {
	if role == Reader {
		return []string{"kms:Decrypt"}
	}
	return []string{"kms:Decrypt", "kms:GenerateDataKey"}
}

// For returns the policies of a role.
func (s Scope) For(role Role) Documents {
	d := Documents{Identity: document(s.identity(role)...), Bucket: s.BucketPolicy(false)}
	for i, key := range s.Keys {
		d.Keys = append(d.Keys, KeyPolicy{Alias: key.Alias, Key: s.keyARN(i), Statements: s.keyStatements(role)})
	}
	return d
}

func document(statements ...Statement) Document {
	return Document{Version: "2012-10-17", Statement: statements}
}

func (s Scope) identity(role Role) []Statement {
	objects := s.objects(role)
	list := []string{"s3:ListBucket"}
	if role == Operator {
		list = append(list, "s3:ListBucketVersions")
	}
	statements := []Statement{
		{
			Sid: "ListServices", Effect: "Allow", Action: list, Resource: []string{s.bucketARN()},
			Condition: map[string]Condition{"StringLike": {"s3:prefix": s.prefixes(role)}},
		},
		{Sid: "Objects", Effect: "Allow", Action: s.objectActions(role), Resource: objects},
	}
	if role == Operator {
		statements = append(statements,
			Statement{Sid: "Versions", Effect: "Allow", Action: versionActions, Resource: objects},
			Statement{Sid: "BucketSettings", Effect: "Allow", Action: settingsActions, Resource: []string{s.bucketARN()}},
		)
	}
	if len(s.Keys) == 0 {
		return statements
	}
	var keys []string
	for i := range s.Keys {
		keys = append(keys, s.keyARN(i))
	}
	statements = append(statements, s.seal(role, keys))
	if role != Reader {
		statements = append(statements, describe(keys))
	}
	if s.ListAliases {
		// KMS knows no resource to which this could be held.
		statements = append(statements, Statement{Sid: "NameKeys", Effect: "Allow", Action: []string{"kms:ListAliases"}, Resource: []string{"*"}})
	}
	return statements
}

// seal allows S3, and nothing else, to use the keys for the caller; for these objects, which
// S3 names in the encryption context as long as it uses no bucket keys (facts.md, section 5).
func (s Scope) seal(role Role, keys []string) Statement {
	return Statement{
		Sid: "SealObjects", Effect: "Allow", Action: sealActions(role), Resource: keys,
		Condition: map[string]Condition{
			"StringEquals": {"kms:ViaService": s.viaS3()},
			"StringLike":   {"kms:EncryptionContext:aws:s3:arn": s.objects(role)},
		},
	}
}

// describe has no condition: the program asks KMS itself, not through S3.
func describe(keys []string) Statement {
	return Statement{Sid: "DescribeKeys", Effect: "Allow", Action: []string{"kms:DescribeKey"}, Resource: keys}
}

func (s Scope) keyStatements(role Role) []Statement {
	principal := s.Principal
	if principal == "" {
		principal = PrincipalPlaceholder
	}
	all := []string{"*"} // in a key's own policy: this key
	statements := []Statement{s.seal(role, all)}
	if role != Reader {
		statements = append(statements, describe(all))
	}
	for i := range statements {
		statements[i].Principal = map[string][]string{"AWS": {principal}}
	}
	return statements
}

// Sids of the statements of the bucket's policy.
const (
	SidTLSOnly         = "CofferTLSOnly"
	SidConditionalPuts = "CofferConditionalPutsOnly"
)

// BucketPolicy holds for everybody: TLS alone, unless that would cut off who asks for it, and
// unless unconditional puts are to be allowed no put that could overwrite what it has not seen.
// It may have no statement at all.
func (s Scope) BucketPolicy(unconditional bool) Document {
	everybody := map[string][]string{"AWS": {"*"}}
	d := document()
	if !s.PlainHTTP {
		d.Statement = append(d.Statement, Statement{
			Sid: SidTLSOnly, Effect: "Deny", Principal: everybody, Action: []string{"s3:*"},
			Resource:  []string{s.bucketARN(), s.bucketARN() + "/*"},
			Condition: map[string]Condition{"Bool": {"aws:SecureTransport": {"false"}}},
		})
	}
	if unconditional {
		return d
	}
	d.Statement = append(d.Statement, Statement{
		Sid: SidConditionalPuts, Effect: "Deny", Principal: everybody, Action: []string{"s3:PutObject"},
		Resource: []string{s.bucketARN() + "/*"},
		Condition: map[string]Condition{
			"Null": {"s3:if-match": {"true"}, "s3:if-none-match": {"true"}},
			// Not the parts of an upload, which can have no condition: the request that ends it
			// must (Amazon S3 User Guide, "Enforce conditional writes on Amazon S3 buckets").
			"Bool": {"s3:ObjectCreationOperation": {"true"}},
		},
	})
	return d
}

// prefixes are those that may be listed. "S/*" has "S/" in it, which stands there for the
// reader of the policy.
func (s Scope) prefixes(role Role) []string {
	var out []string
	for _, service := range s.Services {
		out = append(out, service+"/", service+"/*")
		if role == Operator {
			out = append(out, admin.SharePrefix+service+"/", admin.SharePrefix+service+"/*")
		}
	}
	return out
}

func (s Scope) objects(role Role) []string {
	var out []string
	for _, prefix := range s.prefixes(role) {
		if strings.HasSuffix(prefix, "*") {
			out = append(out, s.bucketARN()+"/"+prefix)
		}
	}
	return out
}

func (s Scope) bucketARN() string { return "arn:" + partition.Of(s.Region).ID + ":s3:::" + s.Bucket }

// viaS3 are the names that KMS may know S3 by. AWS documents that of its commercial partition; where
// servers are in another domain, the name there is taken as well as that one. Both are S3.
func (s Scope) viaS3() []string {
	const usual = "amazonaws.com"
	names := []string{"s3." + s.Region + "." + partition.Of(s.Region).Suffix}
	if usually := "s3." + s.Region + "." + usual; names[0] != usually {
		names = append(names, usually)
	}
	return names
}

// keyARN is the ARN of a key, or its placeholder.
func (s Scope) keyARN(i int) string {
	if arn := s.Keys[i].ARN; arn != "" {
		return arn
	}
	return strings.ToUpper(s.variable(i))
}

// Placeholders returns the texts in the documents that a person has to replace, sorted.
func (s Scope) Placeholders() []string {
	var out []string
	for i, key := range s.Keys {
		if key.ARN == "" {
			out = append(out, s.keyARN(i))
		}
	}
	if s.Principal == "" && len(s.Keys) > 0 {
		out = append(out, PrincipalPlaceholder)
	}
	slices.Sort(out)
	return out
}
