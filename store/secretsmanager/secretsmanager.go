// Package secretsmanager keeps secrets in AWS Secrets Manager, as chamber does: one AWS
// secret for each service, whose value is a JSON object of keys and values. The member
// "_chamber_metadata", a JSON text of its own, holds the version, date and author of each key.
// It is no secret, and no method here tells or takes it.
//
// A write replaces the whole object. It is put as a version that is not current yet, under
// the label COFFER-PENDING, and then AWSCURRENT is moved to it from the version that was
// read. Secrets Manager refuses that when AWSCURRENT is not there any more, which makes it a
// compare-and-swap: writers of this package lose nothing of one another, and
// [store.WriteOptions.IfVersion] is exact. A [Store.WriteAll] is one such change.
//
// What that cannot promise:
//
//   - It rests on the contract of UpdateSecretVersionStage ("if the version ID does not match,
//     then the operation fails"), not on a race that was measured on AWS.
//   - A program that puts straight to AWSCURRENT, as chamber does, overwrites what came
//     between its read and its put.
//   - Each attempt makes a version, and AWS removes none that is younger than a day: hundreds
//     of writes a day of one service end in [store.ErrConflict]. A writer that died before
//     the swap leaves a version under COFFER-PENDING. It is never read here; chamber's history
//     may list it until the next write.
//   - Versions are kept by labels, CHAMBER1, CHAMBER2 and so on, of which AWS allows 20 to a
//     secret: the history of a service reaches back about 16 writes, whatever their keys.
//     Older values are gone; when chamber writes the service twice in a row, a version of ours
//     may be too, since chamber labels only what it puts itself, and moves labels as it does.
//   - Delete takes a key out of the object. Older versions of the AWS secret hold its value
//     until AWS removes them; this package does not show them, other programs can. The last
//     key leaves an empty secret behind, which AWS bills until somebody deletes it.
//   - The numbers of a deleted key go on when it comes back, as long as the AWS secret stands. A
//     key that chamber deleted starts again at version 1: it drops what is noted of the key. When a
//     service has no room left, one number remains for all of its deleted keys, above which every key
//     that comes anew is numbered.
//
// Members that another tool wrote are kept as they are. One that is no string reads as its
// JSON text: 5432 as "5432", an object as its braces. Chamber rounds numbers, and reads null,
// objects and lists as nothing.
package secretsmanager

import (
	"context"
	"fmt"
	"strings"
	"time"

	awssm "github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/coffer-secrets/coffer/store"
)

var _ store.Store = (*Store)(nil)

// MaxService is the largest object that Secrets Manager keeps, in bytes: all keys and values
// of one service as JSON, together with their metadata.
const MaxService = 65536

const (
	metadataKey = "_chamber_metadata"
	maxName     = 512 // bytes of the name of an AWS secret
	requests    = 8   // at the same time
	listPage    = 100
)

// Options configure a [Store]. The zero value works.
type Options struct {
	// Author names who writes, as chamber does with the caller's ARN; it is asked once for
	// each write, beside other requests. Nil: nobody is named.
	Author func(ctx context.Context) string

	Now func() time.Time // nil: the system's clock
}

// Store is a [store.Store] in Secrets Manager. It has no state of its own.
type Store struct {
	api    api
	author func(ctx context.Context) string
	now    func() time.Time
}

// New makes a Store of a client. Reads need secretsmanager:GetSecretValue, older versions
// ListSecretVersionIds, Services ListSecrets; writes need CreateSecret, DescribeSecret,
// PutSecretValue and UpdateSecretVersionStage as well, the last of which chamber does without.
func New(client *awssm.Client, o Options) *Store {
	if o.Author == nil {
		o.Author = func(context.Context) string { return "" }
	}
	if o.Now == nil {
		o.Now = time.Now //nolint:forbidigo // the default of a library; the command line hands its own in
	}
	return &Store{api: client, author: o.Author, now: o.Now}
}

// CheckValue reports why Secrets Manager cannot keep a value: beside what [store.Value.Check]
// says, it is larger than [MaxService] by itself. Whether it fits beside the others of its
// service is decided at the write. The error wraps [store.ErrInvalid].
func CheckValue(v store.Value) error {
	if v.Len() > MaxService {
		return fmt.Errorf("%w: the value has %d bytes; Secrets Manager keeps at most %d for a whole service", store.ErrInvalid, v.Len(), MaxService)
	}
	return v.Check()
}

// checkName adds to [store.NewID] the limit of a secret's name.
func checkName(id store.ID) error {
	if _, err := store.NewID(id.Service, id.Key); err != nil {
		return err
	}
	return checkService(id.Service)
}

func checkService(service string) error {
	if len(service) > maxName {
		return fmt.Errorf("%w: the service has a name of %d bytes; Secrets Manager allows %d", store.ErrInvalid, len(service), maxName)
	}
	return store.CheckService(service)
}

// checkWritten refuses a value, or a key that chamber keeps for itself.
func checkWritten(id store.ID, v store.Value) error {
	if err := checkName(id); err != nil {
		return err
	}
	if strings.EqualFold(id.Key, metadataKey) {
		return fmt.Errorf("%w: key %q is kept for the metadata of the service", store.ErrInvalid, id.Key)
	}
	return CheckValue(v)
}
