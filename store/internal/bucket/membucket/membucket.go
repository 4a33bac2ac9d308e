// Package membucket implements a bucket in memory with exact conditions: one mutex orders all
// requests. It answers like S3, including keys and grants, so that a protocol can be tested without
// a server.
package membucket

import (
	"bytes"
	"cmp"
	"context"
	"crypto/md5" //nolint:gosec // S3 makes its ETags with it; nothing is kept secret by it
	"encoding/hex"
	"fmt"
	"iter"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coffer-secrets/coffer/store/internal/bucket"
)

// ETags says how object tags are computed.
type ETags int

const (
	// UniqueETags are different for every put, whatever its bytes, as with SSE-KMS.
	UniqueETags ETags = iota
	// MD5ETags are the MD5 of the bytes: putting the old bytes again restores the old tag.
	MD5ETags
)

// Options are the settings of a new bucket. The zero Options are a bucket with SSE-KMS.
type Options struct {
	Method              string                    // of the seals it reports; "" means "aws:kms"
	NoSeal              bool                      // it reports no seal, like a server without encryption
	KeyID               func(alias string) string // returns the key of an alias, called at each put; nil means [KeyID]
	ETags               ETags
	NoConditionalDelete bool // a conditional Delete is [bucket.ErrUnsupported]
	Versioned           bool // replaced and deleted objects are kept as versions
}

// KeyID returns the key ARN that a bucket reports for alias by default. Each alias has its own key;
// "" has the account's default key. An ARN is returned unchanged.
func KeyID(alias string) string {
	if strings.HasPrefix(alias, "arn:") {
		return alias
	}
	name := strings.TrimPrefix(alias, "alias/")
	return "arn:aws:kms:us-east-1:123456789012:key/" + cmp.Or(name, "aws/s3")
}

// Bucket is one client of a bucket in memory. It shares the objects with the clients that
// [Bucket.Client] returns, but has its own grants.
type Bucket struct {
	opts    Options
	objects *objects

	// Guarded by the mutex of objects, so that changes of grants are ordered with requests.
	denied        map[string]bool
	listingDenied bool
	listable      []string
}

// objects is the state that all clients of one bucket share.
type objects struct {
	sync.Mutex
	byName   map[string]bucket.Object
	versions map[string][]version // by name, the newest first
	faulty   map[string]bool
	puts     int
}

var (
	_ bucket.Bucket       = (*Bucket)(nil)
	_ bucket.HeaderReader = (*Bucket)(nil)
)

// New returns an empty bucket whose client has all permissions.
func New(o Options) *Bucket {
	o.Method = cmp.Or(o.Method, "aws:kms")
	if o.KeyID == nil {
		o.KeyID = KeyID
	}
	return &Bucket{
		opts:    o,
		objects: &objects{byName: map[string]bucket.Object{}, versions: map[string][]version{}, faulty: map[string]bool{}},
		denied:  map[string]bool{},
	}
}

// Client returns another client of the same objects with all permissions.
func (b *Bucket) Client() *Bucket {
	return &Bucket{opts: b.opts, objects: b.objects, denied: map[string]bool{}}
}

// Get implements [bucket.Bucket].
func (b *Bucket) Get(ctx context.Context, name string) (bucket.Object, error) {
	if err := begin(ctx, "get", name); err != nil {
		return bucket.Object{}, err
	}
	b.objects.Lock()
	defer b.objects.Unlock()
	o, err := b.find("get", name)
	if err == nil {
		err = b.useKey("get", name, o.Seal.KeyID)
	}
	if err != nil {
		return bucket.Object{}, err
	}
	o.Body = bytes.Clone(o.Body)
	return o, nil
}

// Head implements [bucket.Bucket]. It does not decrypt, so it works with a denied or faulty key.
func (b *Bucket) Head(ctx context.Context, name string) (bucket.Info, error) {
	if err := begin(ctx, "head", name); err != nil {
		return bucket.Info{}, err
	}
	b.objects.Lock()
	defer b.objects.Unlock()
	o, err := b.find("head", name)
	return o.Info, err
}

// ReadHeader implements [bucket.HeaderReader].
func (b *Bucket) ReadHeader(ctx context.Context, name string, n int) (bucket.Info, []byte, error) {
	if err := begin(ctx, "head", name); err != nil {
		return bucket.Info{}, nil, err
	}
	b.objects.Lock()
	defer b.objects.Unlock()
	o, err := b.find("head", name)
	if err == nil {
		err = b.useKey("head", name, o.Seal.KeyID)
	}
	if err != nil {
		return bucket.Info{}, nil, err
	}
	return o.Info, bytes.Clone(o.Body[:min(n, len(o.Body))]), nil
}

// Put implements [bucket.Bucket]. A key error takes precedence over a condition that fails.
func (b *Bucket) Put(ctx context.Context, name string, body []byte, o bucket.PutOptions) (bucket.Info, error) {
	if err := begin(ctx, "put", name); err != nil {
		return bucket.Info{}, err
	}
	b.objects.Lock()
	defer b.objects.Unlock()
	seal := b.seal(o.KeyAlias)
	if err := b.useKey("put", name, seal.KeyID); err != nil {
		return bucket.Info{}, err
	}
	if err := b.check("put", name, o.If); err != nil {
		return bucket.Info{}, err
	}
	return b.store(name, body, seal), nil
}

// Delete implements [bucket.Bucket]. Without a condition a missing object is not an error.
func (b *Bucket) Delete(ctx context.Context, name string, cond bucket.If) error {
	if err := begin(ctx, "delete", name); err != nil {
		return err
	}
	if cond.Absent() {
		return refusal("delete", name, bucket.ErrRefused, 0, "")
	}
	if _, match := cond.Match(); match && b.opts.NoConditionalDelete {
		return refusal("delete", name, bucket.ErrUnsupported, http.StatusNotImplemented, "NotImplemented")
	}
	b.objects.Lock()
	defer b.objects.Unlock()
	if err := b.check("delete", name, cond); err != nil {
		return err
	}
	b.remove(name)
	return nil
}

// List implements [bucket.Bucket].
func (b *Bucket) List(ctx context.Context, prefix string) iter.Seq2[bucket.Info, error] {
	return b.list(ctx, prefix, func(rest string) bool { return !strings.Contains(rest, "/") })
}

// Walk implements [bucket.Bucket].
func (b *Bucket) Walk(ctx context.Context, prefix string) iter.Seq2[bucket.Info, error] {
	return b.list(ctx, prefix, func(string) bool { return true })
}

// list yields a snapshot that is taken when the iteration begins.
func (b *Bucket) list(ctx context.Context, prefix string, belongs func(rest string) bool) iter.Seq2[bucket.Info, error] {
	return func(yield func(bucket.Info, error) bool) {
		found, err := b.snapshot(ctx, prefix, belongs)
		if err != nil {
			yield(bucket.Info{}, err)
			return
		}
		for _, info := range found {
			if !yield(info, nil) {
				return
			}
		}
	}
}

func (b *Bucket) snapshot(ctx context.Context, prefix string, belongs func(rest string) bool) ([]bucket.Info, error) {
	if err := ctx.Err(); err != nil {
		return nil, &bucket.Error{Op: "list", Name: prefix, Err: err}
	}
	b.objects.Lock()
	defer b.objects.Unlock()
	if !b.mayList(prefix) {
		return nil, refusal("list", prefix, bucket.ErrDenied, http.StatusForbidden, "AccessDenied")
	}
	var found []bucket.Info
	for _, name := range slices.Sorted(maps.Keys(b.objects.byName)) {
		if rest, ok := strings.CutPrefix(name, prefix); ok && belongs(rest) {
			info := b.objects.byName[name].Info
			info.Seal = bucket.Seal{}
			found = append(found, info)
		}
	}
	return found, nil
}

// begin returns an error if the context has ended or the name is empty.
func begin(ctx context.Context, op, name string) error {
	if err := ctx.Err(); err != nil {
		return &bucket.Error{Op: op, Name: name, Err: err}
	}
	if name == "" {
		return refusal(op, name, bucket.ErrRefused, http.StatusBadRequest, "InvalidRequest")
	}
	return nil
}

// find returns an object. If the client cannot list, a missing object is denied: S3 hides from such
// a client which names exist.
func (b *Bucket) find(op, name string) (bucket.Object, error) {
	o, ok := b.objects.byName[name]
	switch {
	case ok:
		return o, nil
	case !b.mayList(name):
		return bucket.Object{}, refusal(op, name, bucket.ErrDenied, http.StatusForbidden, "AccessDenied")
	default:
		return bucket.Object{}, refusal(op, name, bucket.ErrNotFound, http.StatusNotFound, "NoSuchKey")
	}
}

// check returns an error unless cond is true for the object now.
func (b *Bucket) check(op, name string, cond bucket.If) error {
	o, exists := b.objects.byName[name]
	tag, match := cond.Match()
	switch {
	case match && !exists:
		return refusal(op, name, bucket.ErrNotFound, http.StatusNotFound, "NoSuchKey")
	case match && o.Tag != tag, cond.Absent() && exists:
		return refusal(op, name, bucket.ErrChanged, http.StatusPreconditionFailed, "PreconditionFailed")
	default:
		return nil
	}
}

// useKey returns an error if this client has no permission to use the key keyID, or it is disabled.
func (b *Bucket) useKey(op, name, keyID string) error {
	switch {
	case b.denied[keyID]:
		return refusal(op, name, bucket.ErrDenied, http.StatusForbidden, "AccessDenied")
	case b.objects.faulty[keyID]:
		return refusal(op, name, bucket.ErrKey, http.StatusBadRequest, "KMS.DisabledException")
	default:
		return nil
	}
}

func (b *Bucket) mayList(prefix string) bool {
	return !b.listingDenied ||
		slices.ContainsFunc(b.listable, func(p string) bool { return strings.HasPrefix(prefix, p) })
}

func (b *Bucket) seal(alias string) bucket.Seal {
	switch {
	case b.opts.NoSeal:
		return bucket.Seal{}
	case b.opts.Method == "AES256":
		return bucket.Seal{Method: b.opts.Method}
	default:
		return bucket.Seal{Method: b.opts.Method, KeyID: b.opts.KeyID(alias)}
	}
}

// store stores an object. Its time is that of a clock that begins at a fixed instant and advances
// one second with each put and each delete marker.
func (b *Bucket) store(name string, body []byte, seal bucket.Seal) bucket.Info {
	modified := b.tick()
	stamp := body
	if b.opts.ETags == UniqueETags {
		stamp = fmt.Appendf(nil, "put %d", b.objects.puts)
	}
	sum := md5.Sum(stamp) //nolint:gosec // see the import
	info := bucket.Info{
		Name:     name,
		Tag:      bucket.Tag(hex.EncodeToString(sum[:])),
		Modified: modified,
		Size:     int64(len(body)),
		Seal:     seal,
	}
	o := bucket.Object{Info: info, Body: bytes.Clone(body)}
	b.objects.byName[name] = o
	b.push(version{Object: o})
	return info
}

func (b *Bucket) tick() time.Time {
	b.objects.puts++
	return time.Date(2026, 1, 1, 0, 0, b.objects.puts, 0, time.UTC)
}

func refusal(op, name string, sentinel error, status int, code string) error {
	return &bucket.Error{Op: op, Name: name, Code: code, Status: status, Err: sentinel}
}
