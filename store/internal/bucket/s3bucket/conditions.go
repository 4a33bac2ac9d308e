package s3bucket

import (
	"context"

	"github.com/coffer-secrets/coffer/store/admin"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
)

// Conditions tells what the server of a bucket keeps of the conditions of changes: of one that
// [Probed] has made what was found out, and of any other, which is AWS's, that it keeps all.
// With ask the server is asked anew, with an object beside the one named.
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
	}
	if f == nil || f.unknown {
		return admin.Conditions{}, nil
	}
	return admin.Conditions{Known: true, Puts: f.Conditions, Deletes: f.ConditionalDelete, Asked: f.Checked}, nil
}
