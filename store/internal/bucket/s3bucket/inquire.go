package s3bucket

import (
	"context"
	"errors"

	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
)

// Inquire asks a server everything, whatever is known of it, and remembers nothing of it. A server
// that does not encrypt is asked as well: what is put for it is no secret.
func (b *Bucket) Inquire(ctx context.Context, beside, alias string) ([]store.Inquiry, error) {
	p := Probed(b, ProbeOptions{KeyAlias: alias}).(*probed)
	var sealed bucket.Seal
	p.o.Vouch = func(_ string, s bucket.Seal) error {
		sealed = s
		return nil
	}
	f, err := p.probe(ctx, beside)
	if isAny(err, bucket.ErrUnavailable, bucket.ErrNoBucket, bucket.ErrCredentials, context.Canceled, context.DeadlineExceeded) {
		return nil, err
	}
	all := aboutConditions(f, err)
	if err == nil && !f.unknown && f.Versions != unversioned {
		all = append(all, store.Inquiry{Name: "versions", Kept: store.Allowed, Seen: "the bucket keeps them (" + string(f.Versions) + ")"})
	} else {
		all = append(all, store.Inquiry{Name: "versions", Kept: store.Untold, Seen: "the bucket keeps none"})
	}
	all = append(all, b.aboutEncryption(sealed))
	for _, wanted := range []part{partTags, partVersions, partLinks} {
		v, err := p.newTrial(beside).try(ctx, wanted)
		if err != nil {
			v = verdict{untold: true, Seen: wordOf(err)}
		}
		all = append(all, store.Inquiry{Name: map[part]string{
			partTags: "tags of objects", partVersions: "a version by its id", partLinks: "links that end",
		}[wanted], Kept: judged(v.Kept, v.untold), Seen: v.Seen})
	}
	return append(all, b.aboutSettings(ctx)...), ctx.Err()
}

func judged(kept, untold bool) store.Verdict {
	switch {
	case untold:
		return store.Untold
	case kept:
		return store.Allowed
	}
	return store.Refused
}

func aboutConditions(f *findings, err error) []store.Inquiry {
	puts := store.Inquiry{Name: "conditions of puts"}
	deletes := store.Inquiry{Name: "conditions of deletes", Kept: store.Untold, Seen: "not asked: those of puts are not kept"}
	switch {
	case err != nil:
		puts.Kept, puts.Seen = judged(false, !errors.Is(err, bucket.ErrUnsupported)), reasonOf(err)
	case f.unknown:
		puts.Kept, puts.Seen = store.Untold, "nothing could be stored for it"
	case f.refusal != "":
		puts.Kept, puts.Seen = store.Refused, "a put under a condition, and encrypted, is refused: "+f.refusal
	case !f.Conditions:
		puts.Kept, puts.Seen = store.Refused, "a put whose condition does not hold is made"
	default:
		puts.Kept, puts.Seen = store.Allowed, "a put whose condition does not hold is refused; put, get and list tell one ETag"
		deletes.Kept, deletes.Seen = store.Refused, "a delete whose condition does not hold is made, or none is: what is deleted leaves a tombstone"
		if f.ConditionalDelete {
			deletes.Kept, deletes.Seen = store.Allowed, "a delete whose condition does not hold is refused"
		}
	}
	return []store.Inquiry{puts, deletes}
}

func (b *Bucket) aboutEncryption(s bucket.Seal) store.Inquiry {
	i := store.Inquiry{Name: "encryption", Kept: store.Refused, Seen: "asked for " + b.o.Encryption + ", and no answer mentions it"}
	if s.Method != "" {
		i.Kept, i.Seen = store.Allowed, s.Method
	}
	return i
}

// aboutSettings asks for the settings of the bucket. That one was never made is an answer.
func (b *Bucket) aboutSettings(ctx context.Context) []store.Inquiry {
	questions := b.questions(ctx)
	all := make([]store.Inquiry, len(questions))
	for i, q := range questions {
		err := q.ask()
		all[i] = store.Inquiry{Name: "GET ?" + q.parameter, Kept: store.Allowed, Seen: "answered"}
		if err == nil {
			continue
		}
		failed := fail(ctx, "look at", b.o.Bucket, err)
		all[i].Seen = wordOf(failed)
		switch {
		case isAny(failed, bucket.ErrDenied, bucket.ErrUnavailable, bucket.ErrTorn):
			all[i].Kept = store.Untold
		case status(err) != 404:
			all[i].Kept = store.Refused
		}
	}
	return all
}

// wordOf is the code of an error, in which no name and no number of one request is; else its reason.
func wordOf(err error) string {
	var e *bucket.Error
	if errors.As(err, &e) && e.Code != "" && e.Status != 200 {
		return e.Code
	}
	return reasonOf(err)
}
