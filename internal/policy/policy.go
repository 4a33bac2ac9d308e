// Package policy writes the IAM policies of a role: the permissions that a reader, a writer or an
// operator of services needs, and no others. It makes no requests.
package policy

import (
	"slices"
	"strings"

	"github.com/coffer-secrets/coffer/internal/bucketname"
	"github.com/coffer-secrets/coffer/internal/partition"
	"github.com/coffer-secrets/coffer/store/admin"
)

// Role is what a user does with secrets.
type Role string

// The roles. Each has the permissions of the one before it.
const (
	Reader   Role = "reader"   // reads secrets: exec, read, list, export
	Writer   Role = "writer"   // changes them: write, import, delete
	Operator Role = "operator" // maintains them: rekey, doctor, versions, share
)

// Key is a KMS key with its alias. If ARN is "", the documents have a placeholder.
type Key struct{ Alias, ARN string }

// Scope is what the permissions are for. Bucket, Services and Region are required.
type Scope struct {
	Region   string
	Account  string // "" if it isn't known
	Bucket   string
	Services []string
	Keys     []Key // none if objects are encrypted with SSE-S3

	// Sealed says that objects are sealed before they are stored. Then the caller asks KMS itself, with an
	// encryption context that names the service and the secret.
	Sealed bool

	// Teams are the aliases whose keys are held by members, in objects of the bucket.
	Teams []string

	OtherServer bool   // the S3 server isn't AWS's
	PlainHTTP   bool   // the server has no TLS, so the policy must not require it
	Tags        bool   // the role writes tags, too
	ListAliases bool   // a key is configured by its ID, so its alias must be looked up
	Principal   string // the principal in the policies of keys; "" for a placeholder
}

// Document is an IAM policy.
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

// Condition maps condition keys to the allowed values.
type Condition map[string][]string

// KeyPolicy is the statements that a key's policy needs, unless that policy delegates to IAM.
type KeyPolicy struct {
	Alias      string      `json:"alias"`
	Key        string      `json:"key"`
	Statements []Statement `json:"statements"`
}

// Documents are the policies of one role.
type Documents struct {
	Identity Document    `json:"identity_policy"` // for the user or role
	Keys     []KeyPolicy `json:"key_policies"`
	Bucket   Document    `json:"bucket_policy"` // for all users
}

// PrincipalPlaceholder is the placeholder for the ARN of the user or role.
const PrincipalPlaceholder = "PRINCIPAL_ARN"

// Permission is an action and the resource that it is for.
type Permission struct{ Action, On string }

// Permissions returns the permissions that a role needs for one service, in the order in which
// policy check tries them.
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
		for _, action := range s.settingsActions() {
			out = append(out, Permission{action, s.Bucket})
		}
	}
	for _, key := range s.Keys {
		for _, action := range s.sealActions(role) {
			out = append(out, Permission{action, key.Alias})
		}
		if role != Reader {
			out = append(out, Permission{"kms:DescribeKey", key.Alias})
		}
	}
	return out
}

var versionActions = []string{"s3:GetObjectVersion", "s3:DeleteObjectVersion"}

// PublicAccess is the action that is left out for servers other than AWS's: MinIO refuses a policy that
// names it (minio/pkg 3.1.3: "unsupported action"), as it has no public access block.
const PublicAccess = "s3:GetBucketPublicAccessBlock"

// settingsActions returns the actions for the settings of the bucket that doctor and init check.
func (s Scope) settingsActions() []string {
	all := []string{"s3:GetBucketPolicy", PublicAccess, "s3:GetBucketVersioning", "s3:GetEncryptionConfiguration", "s3:GetLifecycleConfiguration"}
	if s.OtherServer {
		return slices.DeleteFunc(all, func(action string) bool { return action == PublicAccess })
	}
	return all
}

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

// sealActions returns the actions of a key that the caller uses, or S3 on their behalf.
func (s Scope) sealActions(role Role) []string {
	switch {
	case role == Reader:
		return []string{"kms:Decrypt"}
	case s.Sealed:
		return []string{"kms:Decrypt", "kms:Encrypt"}
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
	objects := s.resources(role)
	list := []string{"s3:ListBucket"}
	if role == Operator {
		list = append(list, "s3:ListBucketVersions")
	}
	statements := []Statement{
		{
			Sid: "ListServices", Effect: "Allow", Action: list, Resource: []string{s.pathARN()},
			Condition: s.listing(role),
		},
		{Sid: "Objects", Effect: "Allow", Action: s.objectActions(role), Resource: objects},
	}
	if role == Operator {
		statements = append(statements,
			Statement{Sid: "Versions", Effect: "Allow", Action: versionActions, Resource: objects},
			Statement{Sid: "BucketSettings", Effect: "Allow", Action: s.settingsActions(), Resource: []string{s.bucketARN()}},
		)
	}
	if len(s.Teams) > 0 {
		statements = append(statements, s.keyObjects(role))
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
		// ListAliases can't be restricted to a resource.
		statements = append(statements, Statement{Sid: "NameKeys", Effect: "Allow", Action: []string{"kms:ListAliases"}, Resource: []string{"*"}})
	}
	return statements
}

// seal returns a statement that allows the use of the keys only for the objects of the services. If
// S3 encrypts them, it is the only way, and S3 puts the object into the encryption context, unless the
// bucket uses bucket keys (facts.md, section 5).
func (s Scope) seal(role Role, keys []string) Statement {
	if s.Sealed {
		return Statement{
			Sid: "SealObjects", Effect: "Allow", Action: s.sealActions(role), Resource: keys,
			Condition: map[string]Condition{"StringLike": {"kms:EncryptionContext:" + admin.ContextService: s.withBelow()}},
		}
	}
	return Statement{
		Sid: "SealObjects", Effect: "Allow", Action: s.sealActions(role), Resource: keys,
		Condition: map[string]Condition{
			"StringEquals": {"kms:ViaService": s.viaS3()},
			"StringLike":   {"kms:EncryptionContext:aws:s3:arn": s.objects(role)},
		},
	}
}

// describe returns a statement for DescribeKey. It has no condition, as the request doesn't go
// through S3.
func describe(keys []string) Statement {
	return Statement{Sid: "DescribeKeys", Effect: "Allow", Action: []string{"kms:DescribeKey"}, Resource: keys}
}

func (s Scope) keyStatements(role Role) []Statement {
	principal := s.Principal
	if principal == "" {
		principal = PrincipalPlaceholder
	}
	all := []string{"*"} // in the policy of a key, "*" is that key
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

// BucketPolicy returns the policy of the bucket. It denies requests without TLS, unless the server has
// none, and denies puts without a condition, unless unconditional is true. It may have no statement.
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
			// Exempts the parts of a multipart upload, which can't have conditions. The request that
			// completes it must have one (Amazon S3 User Guide, "Enforce conditional writes on Amazon S3
			// buckets").
			"Bool": {"s3:ObjectCreationOperation": {"true"}},
		},
	})
	return d
}

// withBelow returns patterns for the services and those below them.
func (s Scope) withBelow() []string {
	var out []string
	for _, service := range s.Services {
		out = append(out, service, service+"/*")
	}
	return out
}

// prefixes returns the prefixes that may be listed. "S/*" includes "S/", which is there only to make
// the policy easier to read.
func (s Scope) prefixes(role Role) []string {
	var out []string
	for _, service := range s.Services {
		out = append(out, service+"/", service+"/*")
		if role == Operator && !s.Sealed { // no link hands out what is sealed
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

// resources returns the ARNs by which requests name the objects of the services: those of the access
// point, if there is one. KMS knows the objects by the bucket all the same.
func (s Scope) resources(role Role) []string {
	point, ok := bucketname.Parse(s.Bucket)
	objects := s.objects(role)
	if !ok {
		return objects
	}
	for i, arn := range objects {
		objects[i] = point.ARN + "/object" + strings.TrimPrefix(arn, s.bucketARN())
	}
	return objects
}

// pathARN returns the ARN of what requests for the bucket name: the bucket or its access point.
func (s Scope) pathARN() string {
	if point, ok := bucketname.Parse(s.Bucket); ok {
		return point.ARN
	}
	return s.bucketARN()
}

// BucketPlaceholder is the placeholder for the name of the bucket behind an access point.
const BucketPlaceholder = "BUCKET_NAME"

func (s Scope) bucketARN() string {
	name := s.Bucket
	if _, ok := bucketname.Parse(name); ok {
		name = BucketPlaceholder
	}
	return "arn:" + partition.Of(s.Region).ID + ":s3:::" + name
}

// viaS3 returns the values of kms:ViaService for S3. AWS documents only the one of its commercial
// partition, so a partition with another domain gets that one and the one with its own domain.
func (s Scope) viaS3() []string {
	const usual = "amazonaws.com"
	names := []string{"s3." + s.Region + "." + partition.Of(s.Region).Suffix}
	if usually := "s3." + s.Region + "." + usual; names[0] != usually {
		names = append(names, usually)
	}
	return names
}

// keyARN returns the ARN of a key, or its placeholder.
func (s Scope) keyARN(i int) string {
	if arn := s.Keys[i].ARN; arn != "" {
		return arn
	}
	return strings.ToUpper(s.variable(i))
}

// Placeholders returns the placeholders in the documents, sorted.
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
	if _, ok := bucketname.Parse(s.Bucket); ok {
		out = append(out, BucketPlaceholder)
	}
	slices.Sort(out)
	return out
}
