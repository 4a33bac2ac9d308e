// Package secretsmanager keeps secrets in AWS Secrets Manager, as chamber does: one AWS secret for
// each service, whose value is a JSON object of keys and values. The member "_chamber_metadata", a
// string of JSON, contains the version, date and author of each key. It is not a secret, and no
// method here returns or accepts it.
//
// A write replaces the whole object. It is put as a version that is not current yet, under the
// label COFFER-PENDING, and then AWSCURRENT is moved to it from the version that was read. Secrets
// Manager refuses that if AWSCURRENT is on another version by then, which makes it a
// compare-and-swap: writers that use this package never overwrite one another, and
// [store.WriteOptions.IfVersion] is exact. A [Store.WriteAll] is one such change.
//
// The limits of this:
//
//   - It depends on the contract of UpdateSecretVersionStage ("if the version ID does not match,
//     then the operation fails"), not on a race that was measured on AWS.
//   - A program that puts directly to AWSCURRENT, as chamber does, overwrites changes
//     between its read and its put.
//   - Each attempt makes a version, and AWS removes none that is younger than a day: hundreds
//     of writes of one service per day end in [store.ErrConflict]. A writer that crashed before
//     the swap leaves a version under COFFER-PENDING. This package never reads it; chamber's
//     history may list it until the next write.
//   - Versions are kept by labels, CHAMBER1, CHAMBER2 and so on, of which AWS allows 20 per
//     secret: the history of a service goes back about 16 writes, whatever their keys.
//     Older values are lost. If chamber writes the service twice in a row, a version of ours
//     may be lost too, since chamber labels only what it puts itself, and moves labels.
//   - Delete removes a key from the object. Older versions of the AWS secret contain its value
//     until AWS removes them. This package does not show them; other programs can. Deleting the
//     last key leaves an empty AWS secret, which AWS bills until it is deleted.
//   - If a deleted key is created again, its version numbers continue, as long as the AWS secret
//     exists. A key that chamber deleted starts again at version 1, because chamber drops its
//     metadata. If a service has no room left, one number is kept for all its deleted keys, and
//     every new key is numbered above it.
//
// Secrets that other services of AWS made, such as "rds!cluster-3f8c", are read and never changed. Other names
// that no service can have are left out of Services, and Options.Notice says so.
//
// Members that another tool wrote are kept unchanged. A member that is not a string is read as its
// JSON text: 5432 as "5432", an object with its braces. Chamber rounds numbers, and reads null,
// objects and lists as empty.
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

// MaxService is the largest object that Secrets Manager stores, in bytes: all keys and values of
// one service as JSON, including their metadata.
const MaxService = 65536

const (
	metadataKey = "_chamber_metadata"
	maxName     = 512 // limit of the name of an AWS secret, in bytes
	requests    = 8   // concurrent requests
	listPage    = 100
)

// Options configure a [Store]. The zero value works.
type Options struct {
	// Author returns the writer to record, as chamber does with the caller's ARN. It is called once
	// for each write, concurrently with requests. Nil: no writer is recorded.
	Author func(ctx context.Context) string

	Now func() time.Time // nil: the system's clock

	// Notice, if not nil, receives a sentence about secrets that [Store.Services] leaves out, from several
	// goroutines at once.
	Notice func(text string)
}

// Store is a [store.Store] in Secrets Manager. It has no mutable state.
type Store struct {
	api    api
	author func(ctx context.Context) string
	now    func() time.Time
	notice func(string)
}

// New returns a Store that uses a client. Reads need secretsmanager:GetSecretValue, older versions
// ListSecretVersionIds, Services ListSecrets. Writes also need CreateSecret, DescribeSecret,
// PutSecretValue and UpdateSecretVersionStage; chamber doesn't need the last one.
func New(client *awssm.Client, o Options) *Store {
	if o.Author == nil {
		o.Author = func(context.Context) string { return "" }
	}
	if o.Now == nil {
		o.Now = time.Now //nolint:forbidigo // the default of a library; the command line hands its own in
	}
	if o.Notice == nil {
		o.Notice = func(string) {}
	}
	return &Store{api: operationsOf(client), author: o.Author, now: o.Now, notice: o.Notice}
}

// CheckValue returns an error that wraps [store.ErrInvalid] if Secrets Manager cannot store a
// value: besides the checks of [store.Value.Check], it must not be larger than [MaxService]. Only
// the write shows whether it fits together with the other values of its service.
func CheckValue(v store.Value) error {
	if v.Len() > MaxService {
		return fmt.Errorf("%w: the value has %d bytes; Secrets Manager's limit is %d for a whole service", store.ErrInvalid, v.Len(), MaxService)
	}
	return v.Check()
}

// checkName adds to [store.NewID] the length limit of an AWS secret's name.
func checkName(id store.ID) error {
	if _, err := store.NewID(id.Service, id.Key); err != nil {
		return err
	}
	return checkService(id.Service)
}

func checkService(service string) error {
	if len(service) > maxName {
		return fmt.Errorf("%w: the service's name has %d bytes; Secrets Manager's limit is %d", store.ErrInvalid, len(service), maxName)
	}
	return store.CheckService(service)
}

// checkOwner refuses to change a secret that another service of AWS manages, and would overwrite.
func checkOwner(service string) error {
	if !store.MadeByAWS(service) {
		return nil
	}
	maker, _, _ := strings.Cut(service, "!")
	return fmt.Errorf("%w: the AWS service %q created this secret and rotates it: it can be read, but not changed here", store.ErrInvalid, maker)
}

// checkWritten refuses invalid values, and the key that chamber reserves.
func checkWritten(id store.ID, v store.Value) error {
	if err := checkName(id); err != nil {
		return err
	}
	if err := checkOwner(id.Service); err != nil {
		return err
	}
	if strings.EqualFold(id.Key, metadataKey) {
		return fmt.Errorf("%w: key %q is reserved for the metadata of the service", store.ErrInvalid, id.Key)
	}
	return CheckValue(v)
}
