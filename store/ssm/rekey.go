package ssm

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsssm "github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/coffer-secrets/coffer/internal/pace"
	"github.com/coffer-secrets/coffer/internal/waiting"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/admin"
	"github.com/coffer-secrets/coffer/store/internal/awserror"
	"github.com/coffer-secrets/coffer/store/internal/batch"
)

var _ admin.Rekeyer = (*Store)(nil)

// ErrLabelsBehind means that a secret is under its new key, but its labels are still on the version
// before. Another run moves them.
var ErrLabelsBehind = errors.New("the secret is moved, its labels are not")

var (
	errNotEncrypted = fmt.Errorf("%w: it is a parameter that is not encrypted, whose type cannot change: delete it and write it again", store.ErrConflict)
	errCovered      = fmt.Errorf("%w: another writer stored a value meanwhile, which is now older than the moved one: find it in the history, and restore it", store.ErrConflict)
	errBroughtBack  = fmt.Errorf("%w: it was deleted during the move, and the move created it again: delete it again", store.ErrConflict)
)

const labelGrace = 20 * time.Second // to label a version after its put, even after an interrupt

// Rekey implements [admin.Rekeyer] as far as Parameter Store can: it puts the newest version of
// each secret again under the key, with the same number, and moves its labels. Parameter Store
// reports a key as it was named in the put, so another name of the same key counts as another key.
// Older versions cannot be encrypted again: they stay in the history under their old keys.
// Options.Notice reports that.
//
// With o.Rewrite every secret of the alias is put again on each run, because Parameter Store does
// not report the key that actually encrypts it.
//
// A put has no condition. If its answer shows that another writer came first, that writer's value
// is put again as the newest one. If a secret was deleted meanwhile, the put creates it again, and
// the outcome is [store.Failed].
func (s *Store) Rekey(ctx context.Context, service string, o admin.RekeyOptions) ([]store.Result, error) {
	r := &rekeying{Store: s, service: service, o: o}
	err := r.plan(ctx)
	all := batch.New(len(r.moves), batch.Credentials)
	if err == nil && !o.DryRun {
		err = r.run(ctx, all)
	}
	results := make([]store.Result, len(r.moves))
	for i, m := range r.moves {
		results[i] = r.result(m)
	}
	first := stop("rekey", service, all, results)
	if first != nil {
		return results, first
	}
	for _, result := range results {
		first = firstOf(first, result.Err)
	}
	return results, firstOf(first, awserror.Wrap("rekey", store.ID{Service: service}, err))
}

// rekeying is one run of a rekey of one service.
type rekeying struct {
	*Store
	service string
	o       admin.RekeyOptions
	moves   []*move // sorted by key
}

// move is the rekey of one secret.
type move struct {
	meta   store.Meta // KeyAlias is the key that it is moved from, as it was named in the put
	number int64      // the number that our put got; 0 before the put, or if none was needed
	back   bool       // another writer has put it back
	err    error
}

func (r *rekeying) result(m *move) store.Result {
	out := store.Result{Meta: m.meta, Outcome: store.Moved}
	switch {
	case errors.Is(m.err, batch.ErrLeft):
		out.Outcome = store.Left
	case m.err != nil:
		out.Outcome, out.Err = store.Failed, awserror.Wrap("rekey", m.meta.ID, m.err)
	case m.back:
		out.Outcome = store.Returned
	}
	return out
}

// plan finds the secrets that are under another key, and those that an interrupted run left
// unfinished.
func (r *rekeying) plan(ctx context.Context) error {
	if err := store.CheckService(r.service); err != nil {
		return err
	}
	described, err := r.describe(ctx, "Path", "OneLevel", "/"+r.service)
	if err != nil {
		return err
	}
	var aliases []string
	for _, d := range described {
		aliases = append(aliases, aws.ToString(d.KeyId))
	}
	if r.o.From, err = store.MatchAlias(r.o.From, aliases); err != nil {
		return err
	}
	var copies []*move
	for _, d := range described {
		id, ok := secretID(d.Name)
		if !ok || id.Service != r.service {
			continue
		}
		m := &move{meta: store.Meta{
			ID: id, Version: version(d.Description, d.Version), Created: utc(d.LastModifiedDate),
			CreatedBy: author(d.LastModifiedUser), KeyAlias: aws.ToString(d.KeyId),
		}}
		switch {
		case d.Type != types.ParameterTypeSecureString:
			if m.err = errNotEncrypted; r.o.From == "" && !r.o.Rewrite {
				r.moves = append(r.moves, m)
			}
		case r.moving(m.meta.KeyAlias):
			r.moves = append(r.moves, m)
		case m.meta.KeyAlias == r.keyAlias && strings.HasPrefix(aws.ToString(d.Description), copyMark):
			copies = append(copies, m)
		}
	}
	r.tell()
	if err := r.planLabels(ctx, copies); err != nil {
		return err
	}
	slices.SortFunc(r.moves, func(a, b *move) int { return cmp.Compare(a.meta.ID.Key, b.meta.ID.Key) })
	return nil
}

// moving reports whether a secret under a key must be put again.
func (r *rekeying) moving(keyID string) bool {
	if r.o.Rewrite {
		return keyID == r.keyAlias
	}
	return keyID != r.keyAlias && (r.o.From == "" || keyID == r.o.From)
}

// planLabels finds secrets whose labels an interrupted run did not move.
func (r *rekeying) planLabels(ctx context.Context, copies []*move) error {
	from := make([]string, len(copies))
	err := pace.Each(ctx, requests, len(copies), func(ctx context.Context, i int) error {
		versions, err := r.recorded(ctx, copies[i].meta.ID, false)
		if _, from[i] = behind(versions); absent(err) {
			return nil
		}
		return err
	})
	for i, m := range copies {
		if from[i] != "" {
			m.meta.KeyAlias = from[i]
			r.moves = append(r.moves, m)
		}
	}
	return err
}

// behind returns the labels that are still on the originals of the newest version, and the key of
// the last of those.
func behind(versions []historical) (labels []string, keyID string) {
	if len(versions) == 0 {
		return nil, ""
	}
	newest := versions[len(versions)-1]
	if !newest.copied() {
		return nil, ""
	}
	for _, h := range versions[:len(versions)-1] {
		if h.Version == newest.Version && len(h.labels) > 0 {
			labels, keyID = append(labels, h.labels...), h.keyID
		}
	}
	return labels, keyID
}

// tell reports the limits of the rekey to Options.Notice.
func (r *rekeying) tell() {
	var keys []string
	for _, m := range r.moves {
		if m.err == nil {
			keys = append(keys, m.meta.KeyAlias)
		}
	}
	if len(keys) == 0 {
		return
	}
	if r.o.Rewrite {
		r.notice(r.service + ": Parameter Store doesn't report which key encrypts a secret: all secrets of " + r.keyAlias +
			" are stored again on each run.")
	}
	slices.Sort(keys)
	r.notice(r.service + ": the history stays encrypted under the old keys (" + strings.Join(slices.Compact(keys), ", ") +
		"): Parameter Store can't encrypt older versions again, and reading one needs its old key. They are removed after 100 newer versions," +
		" or with the secret: delete it and write it again, or migrate to another backend.")
}

func (r *rekeying) run(ctx context.Context, all *batch.Batch) error {
	_ = pace.Each(context.WithoutCancel(ctx), requests, len(r.moves), func(_ context.Context, i int) error {
		m := r.moves[i]
		if m.err != nil {
			return nil
		}
		m.err = all.Do(func() error { return r.moveSecret(ctx, m) })
		if r.o.Progress != nil && !errors.Is(m.err, batch.ErrLeft) {
			r.o.Progress(r.result(m))
		}
		return nil // a failure does not stop the others
	})
	if ctx.Err() != nil || r.o.Rewrite || all.Cause() != nil {
		return nil
	}
	return r.returned(ctx)
}

// moveSecret puts the newest version of a secret again, and then moves its labels to it.
func (r *rekeying) moveSecret(ctx context.Context, m *move) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	id := m.meta.ID
	versions, err := r.recorded(ctx, id, false)
	if absent(err) {
		return nil // deleted meanwhile
	}
	if err != nil {
		return err
	}
	if len(versions) == 0 {
		return fmt.Errorf("%w: its history is not visible yet", store.ErrUnavailable)
	}
	newest, last := versions[len(versions)-1], versions[len(versions)-1].number
	labels, _ := behind(versions)
	if !r.moving(newest.keyID) { // moved by another run or writer, or by a run that was interrupted
		return r.label(ctx, newest, labels)
	}
	newest.labels = append(newest.labels, labels...)
	for n := range attempts {
		number, err := r.again(ctx, newest, last)
		var between *historical
		if err == nil {
			m.number, m.meta.Version = number, newest.Version
			between, err = r.between(ctx, newest, last, number)
		}
		if err != nil && n > 0 {
			return fmt.Errorf("%w: %w", errCovered, err)
		}
		if err != nil {
			return err
		}
		if between == nil {
			newest.number = number
			return r.label(ctx, newest, newest.labels)
		}
		newest, last = *between, number
	}
	return errCovered
}

// again puts a version again and returns its number in Parameter Store. last is the newest number
// before the put.
func (r *rekeying) again(ctx context.Context, h historical, last int64) (int64, error) {
	value, err := r.valueOf(ctx, h.ID, h.number)
	if errors.Is(err, store.ErrNotFound) {
		err = fmt.Errorf("%w: it was deleted meanwhile, or has too many new versions", store.ErrConflict)
	}
	if err != nil {
		return 0, err
	}
	in := &awsssm.PutParameterInput{
		Name: aws.String(parameterName(h.ID)), Value: aws.String(value.Reveal()), Description: aws.String(h.copyDescription()),
		Type: types.ParameterTypeSecureString, KeyId: aws.String(r.keyAlias), Overwrite: aws.Bool(true),
		AllowedPattern: h.pattern, DataType: h.dataType,
	}
	if h.tier == types.ParameterTierAdvanced {
		in.Tier = h.tier
	}
	return awserror.Change[int64]{
		Retryer: r.retryer,
		Send:    func() (int64, error) { return r.putOnce(ctx, in) },
		Fail:    func(err error) error { return putError(storageError(ctx, "PutParameter", *in.Name, err), value) },
		Unknown: func(err error) error { return unknown("moved", err) },
		Look:    func(lost error) (int64, bool, error) { return r.lookUp(ctx, h, last, lost) },
	}.Make(ctx)
}

// lookUp checks whether a put whose answer was lost was made.
func (r *rekeying) lookUp(ctx context.Context, h historical, last int64, lost error) (number int64, made bool, err error) {
	versions, err := r.recorded(ctx, h.ID, false)
	if err != nil || len(versions) == 0 {
		return 0, false, unknown("moved", lost)
	}
	for _, v := range slices.Backward(versions) {
		if v.number > last && v.description == h.copyDescription() && v.keyID == r.keyAlias {
			return v.number, true, nil
		}
	}
	if versions[len(versions)-1].number == last {
		return 0, false, nil
	}
	return 0, false, unknown("moved", lost)
}

// between returns the newest version that another writer put after base and before our copy of it,
// or nil. Another copy of base does not count, as its value is the same.
func (r *rekeying) between(ctx context.Context, base historical, last, number int64) (*historical, error) {
	if number == last+1 {
		return nil, nil
	}
	versions, err := r.recorded(ctx, base.ID, false)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errCovered, err)
	}
	ours := func(v historical) bool { return v.description == base.copyDescription() }
	remade := number <= last // it was deleted, and its numbers started again
	if remade && !slices.ContainsFunc(versions, func(v historical) bool { return v.number == number && ours(v) }) {
		return nil, errCovered // this is still the history from before the deletion
	}
	copies := int64(0)
	for _, v := range slices.Backward(versions) {
		switch {
		case v.number >= number || v.number <= last && !remade:
		case ours(v):
			copies++
		default:
			return &v, nil
		}
	}
	switch {
	case remade:
		return nil, errBroughtBack
	case copies < number-last-1:
		return nil, errCovered // the versions between are not visible yet
	}
	return nil, nil
}

// label moves labels to the version that was put.
func (r *rekeying) label(ctx context.Context, h historical, labels []string) error {
	if len(labels) == 0 {
		return nil
	}
	// The put is made, so an interrupt must not prevent its labels.
	ctx, cancel := context.WithTimeout(waiting.Beyond(ctx), labelGrace)
	defer cancel()
	out, err := r.api.LabelParameterVersion(ctx, &awsssm.LabelParameterVersionInput{
		Name: aws.String(parameterName(h.ID)), ParameterVersion: aws.Int64(h.number), Labels: labels,
	})
	if err != nil {
		return fmt.Errorf("%w: %w", ErrLabelsBehind, storageError(ctx, "LabelParameterVersion", parameterName(h.ID), err))
	}
	if len(out.InvalidLabels) > 0 {
		return fmt.Errorf("%w: refused: %s: %w", ErrLabelsBehind, strings.Join(out.InvalidLabels, ", "), store.ErrInvalid)
	}
	return nil
}

// returned finds the secrets that another writer put back during the run.
func (r *rekeying) returned(ctx context.Context) error {
	moved := map[store.ID]*move{}
	for _, m := range r.moves {
		if m.err == nil && m.number > 0 {
			moved[m.meta.ID] = m
		}
	}
	if len(moved) == 0 {
		return nil
	}
	described, err := r.describe(ctx, "Path", "OneLevel", "/"+r.service)
	if err != nil {
		return fmt.Errorf("can't check whether other writers moved secrets back: %w", err)
	}
	var back []string
	for _, d := range described {
		id, _ := secretID(d.Name)
		if m := moved[id]; m != nil && aws.ToString(d.KeyId) != r.keyAlias && d.Version > m.number {
			m.back, m.meta.KeyAlias = true, aws.ToString(d.KeyId)
			back = append(back, id.Key)
		}
	}
	if len(back) == 0 {
		return nil
	}
	slices.Sort(back)
	return fmt.Errorf("%w: moved back by another writer: %s", store.ErrConflict, strings.Join(back, ", "))
}
