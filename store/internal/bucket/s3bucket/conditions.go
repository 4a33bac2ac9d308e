package s3bucket

import (
	"context"

	"github.com/coffer-secrets/coffer/store/admin"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
)

// Conditions returns which conditions of changes a bucket's server respects. For a [Probed] bucket
// these are the results of the probe. Any other is a bucket of AWS, which respects all. If ask is
// true, it probes the server again, with temporary objects next to the object beside.
func Conditions(ctx context.Context, b bucket.Bucket, beside string, ask bool) (admin.Conditions, error) {
	p, other := b.(*probed)
	if !other {
		return admin.Conditions{Known: true, Puts: true, Deletes: true}, nil
	}
	f := p.remembered()
	if ask {
		var err error
		if f, err = p.probe(ctx, beside); err != nil {
			return admin.Conditions{}, err
		}
		p.keep(f)
		p.adopt(f)
		if !f.unknown {
			p.keepsRanges(ctx, beside, worthATrial) // for the listings of later runs
		}
	}
	if f == nil || f.unknown {
		return admin.Conditions{}, nil
	}
	return admin.Conditions{Known: true, Puts: f.Conditions, Deletes: f.ConditionalDelete, Asked: f.Checked}, nil
}
