package s3bucket

import (
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/coffer-secrets/coffer/internal/waiting"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
)

// try tests one part with a temporary object, and deletes it.
func (t *trial) try(ctx context.Context, wanted part) (v verdict, err error) {
	defer func() { t.clean(waiting.Beyond(ctx)) }()
	switch wanted {
	case partTags:
		return t.tryTags(ctx)
	case partVersions:
		return t.tryVersions(ctx)
	case partRanges:
		return t.tryRanges(ctx)
	default:
		return t.tryLinks(ctx)
	}
}

// stored puts an object of a trial: in place of the state before, or a new one if before is "". Its
// body is JSON like a secret's, so that it differs from any XML that a server may answer instead.
// The put has a condition, since a bucket policy may require one, but none if the server ignores or
// refuses it.
func (t *trial) stored(ctx context.Context, letter, state string, before bucket.Tag, tags map[string]string) (body string, put placed, id string, err error) {
	if !slices.Contains(t.pending, letter) {
		t.pending = append(t.pending, letter)
	}
	body = `{"coffer":"asks what this server keeps","state":"` + state + `"}`
	o := bucket.PutOptions{If: bucket.IfAbsent(), KeyAlias: t.key, Tags: tags}
	if before != "" {
		o.If = bucket.IfMatch(before)
	}
	info, version, err := t.b.put(ctx, t.name+letter, []byte(body), o)
	if isAny(err, bucket.ErrChanged, bucket.ErrUnsupported) {
		o.If = bucket.If{}
		info, version, err = t.b.put(ctx, t.name+letter, []byte(body), o)
	}
	return body, placed{info, versioningOf(version)}, aws.ToString(version), err
}

// refuses returns the verdict after a request that should have succeeded. An error that shows
// nothing about the server is returned as an error.
func refuses(request string, err error) (verdict, error) {
	switch {
	case isAny(err, bucket.ErrDenied, bucket.ErrKey, bucket.ErrCredentials, bucket.ErrNoBucket):
		return verdict{untold: true, Seen: request + " is denied: " + wordOf(err)}, nil
	case isAny(err, bucket.ErrUnavailable, context.Canceled, context.DeadlineExceeded):
		return verdict{}, err
	}
	return verdict{Seen: request + " fails: " + wordOf(err), refused: isAny(err, bucket.ErrUnsupported, bucket.ErrRefused)}, nil
}

// still returns what a request did to an object that it must not change, as a clause; "" for
// nothing.
func (t *trial) still(ctx context.Context, letter, body, request string) (harm string, err error) {
	o, err := t.b.Get(ctx, t.name+letter)
	switch {
	case errors.Is(err, bucket.ErrNotFound):
		return request + " deletes the object", nil
	case err != nil:
		return "", err
	case string(o.Body) != body:
		return request + " replaces the object", nil
	}
	return "", nil
}

// step is one request of a trial. After it the object must be unchanged and have these tags.
type step struct {
	request string
	make    func(context.Context, string) error
	tags    map[string]string
}

func (t *trial) tryTags(ctx context.Context) (verdict, error) {
	put, set := map[string]string{"coffer": "put"}, map[string]string{"coffer": "set"}
	body, _, _, err := t.stored(ctx, "t", "1", "", put)
	if err != nil {
		return refuses("a put with x-amz-tagging", err)
	}
	for _, s := range []step{
		{"a put with x-amz-tagging", func(context.Context, string) error { return nil }, put},
		{"PUT ?tagging", func(ctx context.Context, name string) error { return t.b.SetTags(ctx, name, set) }, set},
		{"DELETE ?tagging", func(ctx context.Context, name string) error { return t.b.SetTags(ctx, name, nil) }, map[string]string{}},
	} {
		if err := s.make(ctx, t.name+"t"); err != nil {
			return refuses(s.request, err)
		}
		harm, err := t.still(ctx, "t", body, s.request)
		if err != nil {
			return refuses("GET after "+s.request, err)
		}
		if harm != "" {
			return verdict{Seen: harm}, nil
		}
		tags, err := t.b.Tags(ctx, t.name+"t")
		if err != nil {
			return refuses("GET ?tagging", err)
		}
		if !maps.Equal(tags, s.tags) {
			return verdict{Seen: s.request + " does not set the tags"}, nil
		}
	}
	return verdict{Kept: true, Seen: "set by a put and by PUT ?tagging, removed by DELETE ?tagging; the object is unchanged"}, nil
}

// noVersionID is an id that no version of any server has.
const noVersionID = "3L4kqtJlcpXroDTDmJ.rmSpXd3dIbrHY-coffer"

// tryVersions gets a version and deletes it. If the bucket keeps no versions, it uses an id that
// doesn't exist: a server that ignores ids answers with the object, and deletes it.
func (t *trial) tryVersions(ctx context.Context) (verdict, error) {
	first, put, id, err := t.stored(ctx, "v", "1", "", nil)
	if err != nil {
		return refuses("a put", err)
	}
	last, kept := first, put.versions == enabled
	if kept {
		if last, _, _, err = t.stored(ctx, "v", "2", put.Tag, nil); err != nil {
			return refuses("a put", err)
		}
	}
	old := noVersionID
	if kept {
		old = id
	}
	name := t.name + "v"
	o, err := t.b.GetVersion(ctx, name, old)
	switch {
	case kept && err != nil:
		return refuses("GET ?versionId", err)
	case kept && string(o.Body) != first, !kept && err == nil:
		return verdict{Seen: "GET ?versionId returns another version"}, nil
	case err != nil && isAny(err, bucket.ErrDenied, bucket.ErrUnavailable, bucket.ErrCredentials):
		return refuses("GET ?versionId", err)
	}
	if err := t.b.DeleteVersion(ctx, name, old); err != nil && (kept || isAny(err, bucket.ErrDenied, bucket.ErrUnavailable)) {
		return refuses("DELETE ?versionId", err)
	}
	harm, err := t.still(ctx, "v", last, "DELETE ?versionId")
	if err != nil || harm != "" {
		if err != nil {
			return refuses("GET after DELETE ?versionId", err)
		}
		return verdict{Seen: harm}, nil
	}
	return t.listsVersions(ctx, name, old, kept)
}

// listsVersions checks that GET ?versions lists the remaining version of the object, and deletes
// it.
func (t *trial) listsVersions(ctx context.Context, name, deleted string, kept bool) (verdict, error) {
	var left []string
	for v, err := range t.b.Versions(ctx, name) {
		if err != nil {
			return refuses("GET ?versions", err)
		}
		if v.Name == name && v.ID == deleted {
			return verdict{Seen: "DELETE ?versionId removes nothing"}, nil
		}
		if v.Name == name && !v.Mark {
			left = append(left, v.ID)
		}
	}
	if len(left) != 1 {
		return verdict{Seen: "GET ?versions does not list what is stored"}, nil
	}
	if !kept {
		return verdict{Kept: true, Seen: "an unknown id is not found, and the object is unchanged; the bucket keeps no versions"}, nil
	}
	if t.b.DeleteVersion(ctx, name, left[0]) == nil {
		t.pending = nil
	}
	return verdict{Kept: true, Seen: "a version is read, listed and deleted by its id; the others are unchanged"}, nil
}

// longAgo is the signing time of a link that must be expired.
var longAgo = time.Date(2020, 2, 2, 2, 2, 2, 0, time.UTC) //nolint:gochecknoglobals // a constant that Go has no word for

// tryLinks requests an object with a link, without a signature, and with an expired link.
func (t *trial) tryLinks(ctx context.Context) (verdict, error) {
	if _, _, _, err := t.stored(ctx, "l", "1", "", nil); err != nil {
		return refuses("a put", err)
	}
	link, err := t.b.Link(ctx, t.name+"l", time.Minute)
	if err != nil {
		return refuses("signing", err)
	}
	bare, _, _ := strings.Cut(link.URL, "?")
	over, err := t.b.signedAt(ctx, bare, longAgo)
	if err != nil {
		return refuses("signing", err)
	}
	for _, l := range []struct {
		url, what string
		opens     bool
	}{
		{link.URL, "a link", true},
		{bare, "a request without a signature", false},
		{over, "an expired link", false},
	} {
		status, err := t.b.follow(ctx, l.url)
		if err != nil {
			return refuses("following "+l.what, err)
		}
		if opened := status == http.StatusOK; opened != l.opens {
			return verdict{Seen: l.what + " returns " + http.StatusText(status)}, nil
		}
	}
	return verdict{Kept: true, Seen: "a link opens the object; without its signature or after its expiry, nothing does"}, nil
}

// signedAt returns a link that was valid for one second from a given time.
func (b *Bucket) signedAt(ctx context.Context, bare string, at time.Time) (string, error) {
	o := b.client.Options()
	credentials, err := o.Credentials.Retrieve(ctx)
	if err != nil {
		return "", &bucket.Error{Op: opLink, Reason: err.Error(), Err: bucket.ErrCredentials}
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, bare+"?"+url.Values{"X-Amz-Expires": {"1"}}.Encode(), nil)
	if err != nil {
		return "", err
	}
	signed, _, err := v4.NewSigner().PresignHTTP(ctx, credentials, request, "UNSIGNED-PAYLOAD", "s3", o.Region, at,
		func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true })
	return signed, err
}

// follow makes a GET without credentials.
func (b *Bucket) follow(ctx context.Context, link string) (status int, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, link, nil)
	if err != nil {
		return 0, err
	}
	client := b.client.Options().HTTPClient
	if client == nil {
		client = http.DefaultClient
	}
	answer, err := client.Do(request)
	if err != nil {
		return 0, &bucket.Error{Op: "get", Name: "a link", Reason: "no answer", Err: bucket.ErrUnavailable} // the original error contains the link
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(answer.Body, 1<<20))
	return answer.StatusCode, answer.Body.Close()
}
