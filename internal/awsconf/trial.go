package awsconf

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"

	"github.com/coffer-secrets/coffer/internal/pace"
)

// TrialOptions configure a trial of a bucket.
type TrialOptions struct {
	Prefix string // of the trial's object names; no other objects may begin with it
	Method string // the encryption that PUTs ask for: "aws:kms", "AES256" or, for none, ""
	Key    string // for aws:kms, as the server names it

	// Pauses are the waits before each repetition of a trial that failed. AWS takes a while until
	// a setting applies everywhere (Amazon S3 User Guide, "Enabling versioning on buckets": now
	// and then 404 in the beginning).
	Pauses []time.Duration
}

// Trial tests what a change of a bucket's settings could break, with two objects of its own: one
// that each run creates, and one that exists since the first run, as secrets do.
type Trial struct {
	b        *Buckets
	bucket   string
	o        TrialOptions
	standing state
	names    []string
	kept     [][2]string // names and ids of versions that the trial made
	plain    bool        // an object was stored without a version id
}

// state is the known state of an object: its last content, and the ETag of the response.
type state struct{ name, body, tag string }

// NewTrial returns a trial. It makes no request.
func (b *Buckets) NewTrial(bucket string, o TrialOptions) *Trial {
	return &Trial{b: b, bucket: bucket, o: o}
}

// Outcome is the server's behaviour in one run.
type Outcome struct {
	steps    []step
	Versions bool // responses to PUTs have a version id
}

// step is one tested request.
type step struct {
	name   string
	fault  string // description that follows "the server"
	answer string // the server's response; "" if it was right
}

// The steps of a run. Callers exclude steps from a comparison, or ask for them, by these names.
const (
	StepPlainPut   = "plain put" // without a condition and without encryption headers
	stepCreate     = "create"
	stepCreateOver = "create over"
	stepWrongMatch = "wrong match"
	stepMatch      = "match"
	stepDelete     = "delete"
	stepGet        = "get"
	stepList       = "list"
)

// Right reports whether the server behaved as S3 does in the named steps. Without names these are
// the steps that every store needs.
func (o Outcome) Right(names ...string) bool { return o.wrong(names...) == "" }

func (o Outcome) wrong(names ...string) string {
	if len(names) == 0 {
		names = []string{stepCreate, stepMatch, stepGet, stepList, stepDelete}
	}
	for _, s := range o.steps {
		if s.answer != "" && slices.Contains(names, s.name) {
			return s.String()
		}
	}
	return ""
}

// Wrong describes a step that a store needs and that failed, or returns "" if none did.
func (o Outcome) Wrong() string { return o.wrong() }

// KeepsConditions reports whether PUTs with a false condition were refused, and those with a true
// one succeeded.
func (o Outcome) KeepsConditions() bool {
	return o.Right(stepCreate, stepCreateOver, stepWrongMatch, stepMatch)
}

// Worse describes a step that failed in this run and succeeded in the run before, except for the
// steps in but. It returns "" if there is none.
func (o Outcome) Worse(before Outcome, but ...string) string {
	for _, now := range o.steps {
		i := slices.IndexFunc(before.steps, func(s step) bool { return s.name == now.name })
		if now.answer != "" && !slices.Contains(but, now.name) && (i < 0 || before.steps[i].answer == "") {
			return now.String()
		}
	}
	return ""
}

func (s step) String() string { return s.fault + " (" + s.answer + ")" }

// Run tries the bucket once: about twenty requests, one after another. The error is the context's.
func (t *Trial) Run(ctx context.Context) (Outcome, error) {
	var o Outcome
	if t.standing.name == "" {
		t.standing = t.named("standing")
		t.create(ctx, &o, "create the first", "refuses a new object", &t.standing)
	}
	t.fresh(ctx, &o)
	s := &t.standing
	o.add("standing get", "doesn't return an existing object", t.get(ctx, *s, ""))
	o.add("standing wrong match", "accepts a conditional put over an existing object though the condition is false", t.mustRefuse(t.put(ctx, s, "0", true)))
	o.add("standing match", "refuses a conditional put over an existing object though the condition is true", t.put(ctx, s, s.tag, true))
	o.add("standing list", "doesn't list an existing object", t.list(ctx, *s))
	return o, ctx.Err()
}

// After repeats Run after a change of the bucket's settings. worse is the result of [Outcome.Worse]
// if the failure persists after all Pauses.
func (t *Trial) After(ctx context.Context, before Outcome, but ...string) (now Outcome, worse string, err error) {
	for i := 0; ; i++ {
		now, err = t.Run(ctx)
		worse = now.Worse(before, but...)
		if err != nil || worse == "" || i >= len(t.o.Pauses) {
			return now, worse, err
		}
		if err := pace.Sleep(ctx, t.o.Pauses[i]); err != nil {
			return now, worse, err
		}
	}
}

// fresh creates, reads, replaces and deletes an object.
func (t *Trial) fresh(ctx context.Context, o *Outcome) {
	s := t.named(strings.ToLower(rand.Text()))
	first := t.create(ctx, o, stepCreate, "refuses a new object", &s)
	begin := s
	o.add(stepCreateOver, "accepts a put with If-None-Match: * over an existing object", t.mustRefuse(t.put(ctx, &s, "", true)))
	o.add(stepWrongMatch, "accepts a conditional put though the condition is false", t.mustRefuse(t.put(ctx, &s, "0", true)))
	o.add(stepMatch, "refuses a conditional put though the condition is true", t.put(ctx, &s, s.tag, true))
	o.add(StepPlainPut, "refuses a put without a condition", t.put(ctx, &s, "", false))
	o.add(stepGet, "doesn't return the object that was put", t.get(ctx, s, ""))
	o.add(stepList, "doesn't list the object that was put", t.list(ctx, s))
	if first != "" {
		o.Versions = true
		o.add("get version", "doesn't return an older version", t.get(ctx, begin, first))
	}
	o.add(stepDelete, "refuses a delete", t.remove(ctx, s.name, ""))
	o.add("get deleted", "returns a deleted object", t.mustMiss(ctx, s))
	t.create(ctx, o, "create again", "refuses a new object under the name of one that was deleted", &s)
	o.add("delete again", "refuses a delete", t.remove(ctx, s.name, ""))
}

func (t *Trial) named(name string) state {
	s := state{name: t.o.Prefix + name}
	t.names = append(t.names, s.name)
	return s
}

func (o *Outcome) add(name, fault string, err error) {
	s := step{name: name, fault: fault}
	if err != nil {
		s.answer = answerOf(err)
	}
	o.steps = append(o.steps, s)
}

// create puts an object on the condition that there is none, and returns its version id.
func (t *Trial) create(ctx context.Context, o *Outcome, name, fault string, s *state) string {
	before := len(t.kept)
	o.add(name, fault, t.put(ctx, s, "", true))
	if len(t.kept) == before {
		return ""
	}
	return t.kept[before][1]
}

// put replaces an object's content: on the condition of an ETag, on the condition that there is no
// object, or without a condition and encryption headers, as a program does that leaves encryption
// to the bucket.
func (t *Trial) put(ctx context.Context, s *state, match string, conditional bool) error {
	body := "coffer init tries the bucket's settings " + rand.Text()
	in := &s3.PutObjectInput{
		Bucket: &t.bucket, Key: &s.name, Body: strings.NewReader(body), ContentLength: aws.Int64(int64(len(body))),
	}
	switch {
	case match != "":
		in.IfMatch = &match // without quotes: Ceph doesn't accept them
	case conditional:
		in.IfNoneMatch = aws.String("*")
	}
	if conditional {
		in.ServerSideEncryption = types.ServerSideEncryption(t.o.Method)
		if t.o.Key != "" {
			in.SSEKMSKeyId, in.BucketKeyEnabled = &t.o.Key, aws.Bool(false)
		}
	}
	out, err := t.b.client.PutObject(ctx, in)
	if err != nil {
		return err
	}
	s.body, s.tag = body, strings.Trim(aws.ToString(out.ETag), `"`)
	t.keep(s.name, out.VersionId)
	return nil
}

func (t *Trial) keep(name string, version *string) {
	if v := aws.ToString(version); v != "" && v != "null" {
		t.kept = append(t.kept, [2]string{name, v})
		return
	}
	t.plain = true
}

var (
	errTaken = errors.New("it was accepted")
	errOther = errors.New("it is a different object")
	errGone  = errors.New("it doesn't exist")
	errThere = errors.New("it still exists")
)

// mustRefuse returns nil if a PUT with a false condition was refused: 412, 409, or 404 for an
// object that doesn't exist. If the PUT succeeded it returns an error.
func (t *Trial) mustRefuse(err error) error {
	switch answered(err) {
	case http.StatusPreconditionFailed, http.StatusConflict, http.StatusNotFound:
		return nil
	}
	if err == nil {
		return errTaken
	}
	return err
}

func (t *Trial) get(ctx context.Context, s state, version string) error {
	in := &s3.GetObjectInput{Bucket: &t.bucket, Key: &s.name}
	if version != "" {
		in.VersionId = &version
	}
	out, err := t.b.client.GetObject(ctx, in)
	if err != nil {
		return err
	}
	defer func() { _ = out.Body.Close() }()
	var body bytes.Buffer
	if _, err := body.ReadFrom(io.LimitReader(out.Body, 1<<10)); err != nil {
		return err
	}
	if body.String() != s.body || version == "" && strings.Trim(aws.ToString(out.ETag), `"`) != s.tag {
		return errOther
	}
	return nil
}

func (t *Trial) mustMiss(ctx context.Context, s state) error {
	_, err := t.b.client.GetObject(ctx, &s3.GetObjectInput{Bucket: &t.bucket, Key: &s.name})
	switch answered(err) {
	case http.StatusNotFound, http.StatusForbidden: // the latter for a caller without permission to list
		return nil
	}
	if err == nil {
		return errThere
	}
	return err
}

func (t *Trial) list(ctx context.Context, s state) error {
	out, err := t.b.client.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: &t.bucket, Prefix: &s.name})
	if err != nil {
		return err
	}
	for _, o := range out.Contents {
		switch {
		case aws.ToString(o.Key) != s.name:
		case strings.Trim(aws.ToString(o.ETag), `"`) != s.tag:
			return errOther
		default:
			return nil
		}
	}
	return errGone
}

func (t *Trial) remove(ctx context.Context, name, version string) error {
	in := &s3.DeleteObjectInput{Bucket: &t.bucket, Key: &name}
	if version != "" {
		in.VersionId = &version
	}
	out, err := t.b.client.DeleteObject(ctx, in)
	if err == nil && version == "" {
		t.keep(name, out.VersionId)
	}
	return err
}

// Clean deletes the trial's objects and every version it made. An error means that something may be
// left.
func (t *Trial) Clean(ctx context.Context) error {
	var failed error
	drop := func(name, version string) {
		err := t.remove(ctx, name, version)
		// versitygw returns 400 for a version that doesn't exist.
		if status := answered(err); err != nil && status != http.StatusNotFound && status != http.StatusBadRequest {
			failed = bucketError(ctx, "delete", name, err)
		}
	}
	made := t.kept
	for _, version := range made {
		drop(version[0], version[1])
	}
	if t.plain {
		for _, name := range t.names {
			if len(made) > 0 {
				drop(name, "null")
			} else {
				drop(name, "")
			}
		}
	}
	t.kept, t.names, t.plain, t.standing = nil, nil, false, state{}
	return failed
}

// answerOf describes the server's response briefly, or why there was none.
func answerOf(err error) string {
	var api smithy.APIError
	status := answered(err)
	switch {
	case errors.As(err, &api) && status != 0:
		return fmt.Sprintf("%d %s", status, api.ErrorCode())
	case status != 0:
		return fmt.Sprintf("status %d", status)
	}
	return reason(err)
}
