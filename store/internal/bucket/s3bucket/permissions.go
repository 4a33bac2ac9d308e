package s3bucket

import (
	"context"
	"crypto/rand"
	"errors"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/coffer-secrets/coffer/internal/waiting"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/admin"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
)

// Trials are the results of testing a caller's permissions, by action.
type Trials map[string]admin.Trial

// prober tests permissions on one service, with one request for each.
type prober struct {
	b       *Bucket
	service string
	alias   string
	wanted  []string
	trials  Trials

	probe    string // the name of the object that it stores
	version  string // of the probe, if the bucket is versioned
	stored   bool
	unsure   bool // the object may be stored: the put failed for a reason other than a denial
	unlisted bool
}

// Try tests the actions of S3 on a service, and the actions of KMS that S3 performs for the caller.
// Index is an object under the alias that the test reads if it exists. Otherwise, and to test
// changes, an object is stored as <service>/__probe/<random> and deleted again. It returns an error
// of the bucket or the credentials if nothing can be tested.
func (b *Bucket) Try(ctx context.Context, service, index, alias string, wanted []string) (Trials, error) {
	p := &prober{
		b: b, service: service, alias: alias, wanted: wanted, trials: Trials{},
		probe: service + admin.ProbeDir + rand.Text(),
	}
	object, err := p.list(ctx, index)
	if err != nil {
		return nil, err
	}
	if object == "" {
		// A name that does not exist is no test: it is denied to a caller who can list only one
		// prefix, and to one who cannot read.
		p.untold("nothing is stored in the service yet", "s3:GetObject", "kms:Decrypt")
	} else {
		p.read(ctx, object)
	}
	if p.wants("s3:PutObject") {
		p.change(ctx)
	}
	p.settings(ctx)
	p.untold("not tried", wanted...)
	return p.trials, ctx.Err()
}

func (p *prober) wants(action string) bool { return slices.Contains(p.wanted, action) }

// note records the result of an action.
func (p *prober) note(action string, err error) { p.trials[action] = TrialResult(action, err) }

// TrialResult returns the result of an action whose request ended with err.
func TrialResult(action string, err error) admin.Trial {
	t := admin.Trial{Action: action, Verdict: admin.Allowed}
	if err != nil {
		t.Verdict, t.Reason = admin.Unknown, reasonOf(err)
	}
	if errors.Is(err, bucket.ErrDenied) || errors.Is(err, store.ErrDenied) {
		t.Verdict = admin.Refused
	}
	return t
}

func (p *prober) untold(reason string, actions ...string) {
	for _, action := range actions {
		if _, known := p.trials[action]; !known {
			p.trials[action] = admin.Trial{Action: action, Verdict: admin.Unknown, Reason: reason}
		}
	}
}

func reasonOf(err error) string {
	var e *bucket.Error
	switch {
	case !errors.As(err, &e):
		return err.Error()
	case e.Reason != "":
		return e.Reason
	case e.Code != "":
		return e.Code
	}
	return e.Err.Error()
}

// list is called first: without a bucket or credentials nothing else can be tested. It returns the
// object to read: the index if it is listed, else any other, or "" if there is none.
func (p *prober) list(ctx context.Context, index string) (object string, err error) {
	page, err := p.b.page(ctx, p.service+"/", "/", "", "")
	if err != nil && !errors.Is(err, bucket.ErrDenied) {
		return "", err
	}
	p.note("s3:ListBucket", err)
	if p.unlisted = err != nil; p.unlisted {
		return index, nil
	}
	for _, info := range page.Infos {
		if object = info.Name; object == index {
			break
		}
	}
	return object, nil
}

// read distinguishes s3:GetObject from kms:Decrypt. S3 answers AccessDenied for both, but answers a
// HEAD without decrypting (facts.md, sections 3 and 5).
func (p *prober) read(ctx context.Context, name string) {
	err := p.open(ctx, name)
	switch {
	case err == nil:
		p.note("s3:GetObject", nil)
		p.note("kms:Decrypt", nil)
	case errors.Is(err, bucket.ErrNotFound):
		p.note("s3:GetObject", nil) // S3 checks it before it looks up the object
		p.untold("nothing is stored under "+p.alias+" yet", "kms:Decrypt")
	default:
		_, headErr := p.b.Head(ctx, name)
		switch {
		case headErr == nil:
			p.note("s3:GetObject", nil)
			p.note("kms:Decrypt", err)
			return
		case p.unlisted && errors.Is(err, bucket.ErrDenied):
			p.untold("without s3:ListBucket, a missing object is also reported as denied: "+reasonOf(err), "s3:GetObject")
		default:
			p.note("s3:GetObject", err)
		}
		p.untold("no object can be read", "kms:Decrypt")
	}
}

// open requests an object and ignores its body.
func (p *prober) open(ctx context.Context, name string) error {
	out, err := p.b.client.GetObject(ctx, &s3.GetObjectInput{Bucket: &p.b.o.Bucket, Key: &name, ExpectedBucketOwner: p.b.owner})
	if err != nil {
		return p.b.fail(ctx, "get", name, err)
	}
	return out.Body.Close()
}

// change tests the permission to delete first, on an object that doesn't exist. So it never stores
// anything that it cannot delete.
func (p *prober) change(ctx context.Context) {
	p.note("s3:DeleteObject", p.deleteNothing(ctx))
	if p.trials["s3:DeleteObject"].Verdict != admin.Allowed {
		const why = "not tried: what is stored for it could not be deleted"
		p.untold(why, "s3:PutObject", "kms:GenerateDataKey", "s3:GetObjectTagging", "s3:PutObjectTagging", "s3:DeleteObjectTagging")
		p.untold(why, versionActions...)
		return
	}
	defer p.clean(waiting.Beyond(ctx))
	p.put(ctx)
	if !p.stored {
		const why = "not tried: no test object could be stored"
		p.untold(why, "s3:GetObjectTagging", "s3:PutObjectTagging", "s3:DeleteObjectTagging")
		p.untold(why, versionActions...)
		return
	}
	if p.trials["kms:Decrypt"].Verdict == admin.Unknown && p.trials["s3:GetObject"].Verdict != admin.Refused {
		p.read(ctx, p.probe)
	}
	if p.wants("s3:PutObjectTagging") {
		_, err := p.b.Tags(ctx, p.probe)
		p.note("s3:GetObjectTagging", err)
		p.note("s3:PutObjectTagging", p.b.SetTags(ctx, p.probe, map[string]string{"coffer": "probe"}))
		p.note("s3:DeleteObjectTagging", p.b.SetTags(ctx, p.probe, nil))
	}
	if p.wants("s3:GetObjectVersion") {
		p.versions(ctx)
	}
}

var versionActions = []string{"s3:ListBucketVersions", "s3:GetObjectVersion", "s3:DeleteObjectVersion"}

// deleteNothing deletes with a condition that fails, if the server respects it. Otherwise a
// versioned bucket would keep the delete marker.
func (p *prober) deleteNothing(ctx context.Context) error {
	err := p.b.Delete(ctx, p.probe, bucket.IfMatch("d41d8cd98f00b204e9800998ecf8427e"))
	if errors.Is(err, bucket.ErrUnsupported) || errors.Is(err, bucket.ErrDenied) { // a denial may only mean that the object doesn't exist
		err = p.b.Delete(ctx, p.probe, bucket.If{})
	}
	if errors.Is(err, bucket.ErrNotFound) || errors.Is(err, bucket.ErrChanged) {
		return nil
	}
	return err
}

// put stores the probe with the same request as a secret.
func (p *prober) put(ctx context.Context) {
	in := &s3.PutObjectInput{
		Bucket: &p.b.o.Bucket, Key: &p.probe, ExpectedBucketOwner: p.b.owner,
		Body: strings.NewReader("probe"), ContentLength: aws.Int64(5), IfNoneMatch: aws.String("*"),
		ServerSideEncryption: types.ServerSideEncryption(p.b.o.Encryption),
	}
	sealed := in.ServerSideEncryption == types.ServerSideEncryptionAwsKms
	if sealed {
		in.SSEKMSKeyId, in.BucketKeyEnabled = p.b.keyName(p.alias), aws.Bool(false)
	}
	out, err := p.b.client.PutObject(ctx, in)
	if err == nil {
		p.stored, p.version = true, aws.ToString(out.VersionId)
		p.note("s3:PutObject", nil)
		p.note("kms:GenerateDataKey", nil)
		return
	}
	err = p.b.fail(ctx, "put", p.probe, err)
	p.unsure = !errors.Is(err, bucket.ErrDenied)
	// Only the message shows which of the two was denied, if it does.
	switch reason := reasonOf(err); {
	case sealed && errors.Is(err, bucket.ErrKey), strings.Contains(reason, "kms:GenerateDataKey"):
		p.note("kms:GenerateDataKey", err)
		p.untold("not tried: the KMS key was refused first", "s3:PutObject")
	case !sealed, strings.Contains(reason, "s3:PutObject"):
		p.note("s3:PutObject", err)
		p.untold("not tried: the put was refused first", "kms:GenerateDataKey")
	default:
		p.note("s3:PutObject", err)
		p.note("kms:GenerateDataKey", err)
	}
}

func (p *prober) versions(ctx context.Context) {
	_, err := p.listVersions(ctx)
	p.note("s3:ListBucketVersions", err)
	version := p.version
	if version == "" {
		version = "null" // of an object in a bucket without versions
	}
	out, err := p.b.client.GetObject(ctx, &s3.GetObjectInput{
		Bucket: &p.b.o.Bucket, Key: &p.probe, VersionId: &version, ExpectedBucketOwner: p.b.owner,
	})
	if err == nil {
		err = out.Body.Close()
	} else {
		err = p.b.fail(ctx, "get", p.probe, err)
	}
	p.note("s3:GetObjectVersion", err)
	p.note("s3:DeleteObjectVersion", p.deleteVersion(ctx, version))
	p.stored = p.trials["s3:DeleteObjectVersion"].Verdict != admin.Allowed
}

// listVersions returns the versions of the probe, including delete markers.
func (p *prober) listVersions(ctx context.Context) ([]string, error) {
	out, err := p.b.client.ListObjectVersions(ctx, &s3.ListObjectVersionsInput{
		Bucket: &p.b.o.Bucket, Prefix: &p.probe, ExpectedBucketOwner: p.b.owner,
	})
	if err != nil {
		return nil, p.b.fail(ctx, "list the versions of", p.probe, err)
	}
	var versions []string
	for _, v := range out.Versions {
		versions = append(versions, aws.ToString(v.VersionId))
	}
	for _, m := range out.DeleteMarkers {
		versions = append(versions, aws.ToString(m.VersionId))
	}
	return versions, nil
}

func (p *prober) deleteVersion(ctx context.Context, version string) error {
	_, err := p.b.client.DeleteObject(ctx, &s3.DeleteObjectInput{
		Bucket: &p.b.o.Bucket, Key: &p.probe, VersionId: &version, ExpectedBucketOwner: p.b.owner,
	})
	if err != nil {
		return p.b.fail(ctx, "delete", p.probe, err)
	}
	return nil
}

// clean deletes the probe and its versions, as far as the caller has the permissions.
func (p *prober) clean(ctx context.Context) {
	if p.stored || p.unsure {
		if err := p.b.Delete(ctx, p.probe, bucket.If{}); err != nil {
			p.note("s3:DeleteObject", err)
			t := p.trials["s3:DeleteObject"]
			t.Reason += "; " + p.probe + " is left behind"
			p.trials["s3:DeleteObject"] = t
		}
	}
	if p.version == "" {
		return
	}
	versions, err := p.listVersions(ctx)
	for _, version := range versions {
		err = errors.Join(err, p.deleteVersion(ctx, version))
	}
	if err != nil {
		t := p.trials["s3:DeleteObject"]
		t.Reason = "the bucket keeps the deleted probe as an old version, as it does with every deleted object"
		p.trials["s3:DeleteObject"] = t
	}
}

// settings requests the settings of the bucket. A setting that was never made is a 404.
func (p *prober) settings(ctx context.Context) {
	for _, q := range p.b.questions(ctx) {
		if !p.wants(q.action) {
			continue
		}
		err := q.ask()
		if err != nil && status(err) == 404 {
			err = nil
		}
		if err != nil {
			err = p.b.fail(ctx, "get settings of", p.b.o.Bucket, err)
		}
		p.note(q.action, err)
	}
}

// question is a request for one setting of the bucket.
type question struct {
	action    string // the permission that it needs
	parameter string // the query parameter
	ask       func() error
}

func (b *Bucket) questions(ctx context.Context) []question {
	name, owner := &b.o.Bucket, b.owner
	return []question{
		{"s3:GetBucketPolicy", "policy", func() error {
			_, err := b.client.GetBucketPolicy(ctx, &s3.GetBucketPolicyInput{Bucket: name, ExpectedBucketOwner: owner})
			return err
		}},
		{"s3:GetBucketPublicAccessBlock", "publicAccessBlock", func() error {
			_, err := b.client.GetPublicAccessBlock(ctx, &s3.GetPublicAccessBlockInput{Bucket: name, ExpectedBucketOwner: owner})
			return err
		}},
		{"s3:GetBucketVersioning", "versioning", func() error {
			_, err := b.client.GetBucketVersioning(ctx, &s3.GetBucketVersioningInput{Bucket: name, ExpectedBucketOwner: owner})
			return err
		}},
		{"s3:GetEncryptionConfiguration", "encryption", func() error {
			_, err := b.client.GetBucketEncryption(ctx, &s3.GetBucketEncryptionInput{Bucket: name, ExpectedBucketOwner: owner})
			return err
		}},
		{"s3:GetLifecycleConfiguration", "lifecycle", func() error {
			_, err := b.client.GetBucketLifecycleConfiguration(ctx, &s3.GetBucketLifecycleConfigurationInput{Bucket: name, ExpectedBucketOwner: owner})
			return err
		}},
	}
}
