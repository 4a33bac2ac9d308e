package s3bucket

import (
	"context"
	"errors"

	"github.com/coffer-secrets/coffer/store/admin"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
)

// Inquire runs all tests of a server. It neither uses nor stores earlier results. It also tests a
// server that does not encrypt: the objects that it puts are not secret.
func (b *Bucket) Inquire(ctx context.Context, beside, alias string) ([]admin.Inquiry, error) {
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
		all = append(all, admin.Inquiry{Name: "versions", Kept: admin.Allowed, Seen: "the bucket keeps versions (" + string(f.Versions) + ")"})
	} else {
		all = append(all, admin.Inquiry{Name: "versions", Kept: admin.Unknown, Seen: "the bucket keeps no versions"})
	}
	all = append(all, b.aboutEncryption(sealed))
	for _, wanted := range []part{partTags, partVersions, partLinks, partRanges} {
		v, err := p.newTrial(beside).try(ctx, wanted)
		if err != nil {
			v = verdict{untold: true, Seen: wordOf(err)}
		}
		all = append(all, admin.Inquiry{Name: map[part]string{
			partTags: "object tags", partVersions: "versions by id", partLinks: "links that expire", partRanges: "listing in ranges",
		}[wanted], Kept: verdictOf(v.Kept, v.untold), Seen: v.Seen})
	}
	return append(all, b.aboutSettings(ctx)...), ctx.Err()
}

func verdictOf(kept, untold bool) admin.Verdict {
	switch {
	case untold:
		return admin.Unknown
	case kept:
		return admin.Allowed
	}
	return admin.Refused
}

func aboutConditions(f *findings, err error) []admin.Inquiry {
	puts := admin.Inquiry{Name: "conditional puts"}
	deletes := admin.Inquiry{Name: "conditional deletes", Kept: admin.Unknown, Seen: "not tested: conditional puts don't work"}
	switch {
	case err != nil:
		puts.Kept, puts.Seen = verdictOf(false, !errors.Is(err, bucket.ErrUnsupported)), reasonOf(err)
	case f.unknown:
		puts.Kept, puts.Seen = admin.Unknown, "no test object could be stored"
	case f.refusal != "":
		puts.Kept, puts.Seen = admin.Refused, "an encrypted conditional put is refused: "+f.refusal
	case !f.Conditions:
		puts.Kept, puts.Seen = admin.Refused, "a put with a false condition succeeds"
	default:
		puts.Kept, puts.Seen = admin.Allowed, "a put with a false condition is refused; put, get and list return the same ETag"
		deletes.Kept, deletes.Seen = admin.Refused, "a delete with a false condition succeeds, or every conditional delete fails: a deleted secret leaves a tombstone"
		if f.ConditionalDelete {
			deletes.Kept, deletes.Seen = admin.Allowed, "a delete with a false condition is refused"
		}
	}
	return []admin.Inquiry{puts, deletes}
}

func (b *Bucket) aboutEncryption(s bucket.Seal) admin.Inquiry {
	i := admin.Inquiry{Name: "encryption", Kept: admin.Refused, Seen: "asked for " + b.o.Encryption + ", and no response mentions it"}
	switch {
	case s.Method != "":
		i.Kept, i.Seen = admin.Allowed, s.Method
	case b.o.Encryption == "":
		i.Kept, i.Seen = admin.Unknown, "not requested: objects are encrypted before they are stored"
	}
	return i
}

// aboutSettings requests the settings of the bucket. A missing setting counts as an answer.
func (b *Bucket) aboutSettings(ctx context.Context) []admin.Inquiry {
	questions := b.questions(ctx)
	all := make([]admin.Inquiry, len(questions))
	for i, q := range questions {
		err := q.ask()
		all[i] = admin.Inquiry{Name: "GET ?" + q.parameter, Kept: admin.Allowed, Seen: "answered"}
		if err == nil {
			continue
		}
		failed := b.fail(ctx, "get settings of", b.o.Bucket, err)
		all[i].Seen = wordOf(failed)
		switch {
		case isAny(failed, bucket.ErrDenied, bucket.ErrUnavailable, bucket.ErrTorn):
			all[i].Kept = admin.Unknown
		case status(err) != 404:
			all[i].Kept = admin.Refused
		}
	}
	return all
}

// wordOf returns the code of an error, which contains no names and no request ids, or else its
// reason.
func wordOf(err error) string {
	var e *bucket.Error
	if errors.As(err, &e) && e.Code != "" && e.Status != 200 {
		return e.Code
	}
	return reasonOf(err)
}
