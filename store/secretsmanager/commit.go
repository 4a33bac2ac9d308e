package secretsmanager

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssm "github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/coffer-secrets/coffer/internal/pace"
	"github.com/coffer-secrets/coffer/internal/waiting"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/internal/awserror"
)

// The labels of versions, which AWS calls stages.
const (
	stageCurrent  = "AWSCURRENT"
	stagePrevious = "AWSPREVIOUS"
	stageHistory  = "CHAMBER"        // followed by a number: keeps a version that was current
	stagePending  = "COFFER-PENDING" // the version that was put last, current or not
	stageEmpty    = "COFFER-EMPTY"   // replaces COFFER-PENDING on a version without keys
)

const (
	// AWS allows 20 labels per secret. Chamber adds one with many of its puts, so two stay free.
	maxStages     = 18
	attempts      = 40                    // of a change that conflicts with others each time
	shortestPause = 10 * time.Millisecond // the maximum of the first pause; see [pace.Backoff]
	longestPause  = 1280 * time.Millisecond
	cleanup       = 5 * time.Second
)

// errMoved means that another writer has changed the service since it was read.
var errMoved = fmt.Errorf("%w: another writer changed it meanwhile", store.ErrConflict)

// commit reads a service, calls change to modify it, and stores it unless another writer changed it
// meanwhile; then it starts again. change reports whether there is anything to store.
func (s *Store) commit(ctx context.Context, service string, change func(*document) (bool, error)) error {
	var err error
	for n := range attempts {
		if n > 0 {
			if err := pace.Sleep(ctx, pace.Backoff(n, shortestPause, longestPause)); err != nil {
				return err
			}
		}
		if err = s.attempt(ctx, service, change); !errors.Is(err, errMoved) {
			return err
		}
	}
	return fmt.Errorf("%w: other writers keep changing it: %w", store.ErrUnavailable, err)
}

func (s *Store) attempt(ctx context.Context, service string, change func(*document) (bool, error)) error {
	described := s.describeBeside(ctx, service)
	d, err := s.current(ctx, service)
	if err != nil {
		return err
	}
	changed, err := change(d)
	if err != nil || !changed {
		return err
	}
	text, err := d.encode()
	if err != nil {
		return err
	}
	p := &proposal{Store: s, service: service, old: d.versionID, document: d, text: text, token: newToken()}
	labels, err := described()
	switch {
	case d.versionID == "" && (awserror.Is(err, store.ErrNotFound) || awserror.Is(err, store.ErrDenied)):
		return p.create(ctx, err)
	case awserror.Is(err, store.ErrNotFound):
		return errMoved // it was created between the two requests
	case err != nil:
		return err
	case labels.rotates:
		return fmt.Errorf("%w: rotation is enabled for the secret %s, and would overwrite the value", store.ErrConflict, service)
	case holder(labels.stages, stageCurrent) != d.versionID:
		return errMoved
	}
	return p.replace(ctx, labels)
}

// description is the answer of DescribeSecret.
type description struct {
	rotates bool
	stages  map[string][]string // the labels of each version
}

// describeBeside calls DescribeSecret while the caller reads the value.
func (s *Store) describeBeside(ctx context.Context, service string) func() (description, error) {
	wait := make(chan struct{})
	var d description
	var err error
	go func() {
		defer close(wait)
		out, failure := s.api.DescribeSecret(ctx, &awssm.DescribeSecretInput{SecretId: aws.String(service)})
		if failure != nil {
			err = storageError(ctx, "DescribeSecret", service, failure)
			return
		}
		d = description{rotates: aws.ToBool(out.RotationEnabled), stages: out.VersionIdsToStages}
	}()
	return func() (description, error) { <-wait; return d, err }
}

// holder returns the version that has a label, or "".
func holder(stages map[string][]string, stage string) string {
	for id, list := range stages {
		if slices.Contains(list, stage) {
			return id
		}
	}
	return ""
}

// proposal is a document that is to become the current version.
type proposal struct {
	*Store
	service  string
	old      string // the version that it was made from; "" if there was none
	document *document
	text     string
	token    string // the id of its own version
}

// create creates the secret. undescribed is the error of DescribeSecret before.
func (p *proposal) create(ctx context.Context, undescribed error) error {
	_, err := p.api.CreateSecret(ctx, &awssm.CreateSecretInput{
		Name: aws.String(p.service), SecretString: aws.String(p.text), ClientRequestToken: aws.String(p.token),
	})
	if err == nil {
		return nil
	}
	err = putError(storageError(ctx, "CreateSecret", p.service, err))
	var refusal *store.StorageError
	if !errors.As(err, &refusal) || refusal.Code != "ResourceExistsException" {
		return p.lookUp(ctx, err)
	}
	// Our own request may have created it, with its answer lost.
	err = p.lookUp(ctx, fmt.Errorf("%w: %w", errMoved, err))
	if errors.Is(err, errMoved) && awserror.Is(undescribed, store.ErrDenied) {
		return undescribed
	}
	return err
}

// replace puts a new version and makes it current instead of the old one.
func (p *proposal) replace(ctx context.Context, labels description) error {
	if err := p.keep(ctx, labels.stages); err != nil {
		return err
	}
	stage := stagePending
	if len(p.document.members) == 0 {
		stage = stageEmpty
	}
	out, err := p.api.PutSecretValue(ctx, &awssm.PutSecretValueInput{
		SecretId: aws.String(p.service), SecretString: aws.String(p.text),
		ClientRequestToken: aws.String(p.token), VersionStages: []string{stage},
	})
	switch {
	case err != nil && p.old == "":
		return p.lookUp(ctx, putError(storageError(ctx, "PutSecretValue", p.service, err)))
	case err != nil:
		return putError(storageError(ctx, "PutSecretValue", p.service, err))
	case slices.Contains(out.VersionStages, stageCurrent):
		return nil // the first version of a secret becomes current at once
	case p.old == "":
		return errMoved
	}
	if err = p.move(ctx, stageCurrent, p.token, p.old); err != nil {
		err = p.lookUp(ctx, err)
	}
	if err != nil && !errors.Is(err, store.ErrUnknown) {
		p.withdraw(ctx, stage)
	}
	return err
}

// keep labels the current version and the one before it, so that they stay in the history when the
// swap moves AWSCURRENT and AWSPREVIOUS. It does that before the swap, so that no history is lost
// if the writer crashes. If there are too many labels, the oldest versions lose theirs.
func (p *proposal) keep(ctx context.Context, stages map[string][]string) error {
	highest, labels := 0, map[string]bool{} // a label counts once, even if a server repeats it
	kept := map[int]string{}
	for id, list := range stages {
		for _, stage := range list {
			labels[stage] = true
			if n := historyNumber(stage); n > 0 {
				kept[n] = id
				highest = max(highest, n)
			}
		}
	}
	total := len(labels)
	for _, stage := range []string{stagePrevious, stagePending, stageEmpty} {
		if holder(stages, stage) == "" {
			total++ // it may be added
		}
	}
	var unkept []string
	for _, stage := range []string{stagePrevious, stageCurrent} {
		id := holder(stages, stage)
		if id != "" && !slices.ContainsFunc(stages[id], func(stage string) bool { return historyNumber(stage) > 0 }) {
			unkept = append(unkept, id)
		}
	}
	for n := 1; n <= highest && total+len(unkept) > maxStages; n++ {
		if id, ok := kept[n]; ok {
			if err := p.move(ctx, stageHistory+strconv.Itoa(n), "", id); err != nil {
				return err
			}
			total--
		}
	}
	for i, id := range unkept {
		if err := p.move(ctx, stageHistory+strconv.Itoa(highest+1+i), id, ""); err != nil {
			return err
		}
	}
	return nil
}

// move moves a label from one version to another; either may be "". The error wraps errMoved if the
// label is not on the version from.
func (p *proposal) move(ctx context.Context, stage, to, from string) error {
	in := &awssm.UpdateSecretVersionStageInput{SecretId: aws.String(p.service), VersionStage: aws.String(stage)}
	if to != "" {
		in.MoveToVersionId = aws.String(to)
	}
	if from != "" {
		in.RemoveFromVersionId = aws.String(from)
	}
	_, err := p.api.UpdateSecretVersionStage(ctx, in)
	if err == nil {
		return nil
	}
	err = storageError(ctx, "UpdateSecretVersionStage", p.service, err)
	if awserror.Is(err, store.ErrInvalid) || awserror.Is(err, store.ErrNotFound) {
		return fmt.Errorf("%w: %w", errMoved, err)
	}
	return err
}

// lookUp checks whether a change was made although its request failed. The answer may have been
// lost, and a retry of the SDK refused because the first request was executed.
func (p *proposal) lookUp(ctx context.Context, err error) error {
	moved := errors.Is(err, errMoved)
	if !moved && !awserror.Applied(err) {
		return err
	}
	if ctx.Err() != nil {
		return unknown(err)
	}
	now, lookErr := p.current(ctx, p.service)
	switch {
	case lookErr != nil:
		return unknown(err)
	case now.versionID == p.token || now.contains(p.document):
		return nil
	case moved || now.versionID == p.old:
		return err
	}
	return unknown(err)
}

// withdraw removes the label from a version that did not become current, so that chamber's history
// does not show it. Another writer may have moved the label already.
func (p *proposal) withdraw(ctx context.Context, stage string) {
	ctx, cancel := context.WithTimeout(waiting.Beyond(ctx), cleanup)
	defer cancel()
	_ = p.move(ctx, stage, "", p.token)
}

// newToken returns a UUID, which AWS recommends as the id of a version.
func newToken() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand stops the program instead
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// beside starts f in a goroutine and returns a function that waits for its result.
func beside(f func() string) func() string {
	answer := make(chan string, 1)
	go func() { answer <- f() }()
	return sync.OnceValue(func() string { return <-answer })
}
