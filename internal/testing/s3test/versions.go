package s3test

import (
	"encoding/xml"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// nullVersion is the id of an object that is stored while the bucket isn't versioned. Each name has
// at most one.
const nullVersion = "null"

// Versions returns copies of all versions of an object, including delete markers, newest first.
func (b *Bucket) Versions(name string) []Object {
	b.srv.mu.RLock()
	defer b.srv.mu.RUnlock()
	var all []Object
	for _, o := range b.versions[name] {
		all = append(all, o.copy())
	}
	return all
}

// AllVersions is Versions for every name.
func (b *Bucket) AllVersions() map[string][]Object {
	b.srv.mu.RLock()
	defer b.srv.mu.RUnlock()
	all := map[string][]Object{}
	for name, versions := range b.versions {
		for _, o := range versions {
			all[name] = append(all[name], o.copy())
		}
	}
	return all
}

// RestoreVersions replaces the bucket's contents with these versions, as returned by AllVersions.
func (b *Bucket) RestoreVersions(all map[string][]Object) {
	b.srv.mu.Lock()
	defer b.srv.mu.Unlock()
	b.objects, b.versions, b.names = map[string]*Object{}, map[string][]*Object{}, nil
	for name, versions := range all {
		for _, o := range versions {
			same := o.copy()
			b.versions[name] = append(b.versions[name], &same)
		}
		if newest := b.versions[name][0]; !newest.Mark {
			b.objects[name] = newest
			b.names = append(b.names, name)
		}
	}
	slices.Sort(b.names)
}

// KeepVersions enables or suspends versioning immediately.
func (b *Bucket) KeepVersions(on bool) {
	b.srv.mu.Lock()
	defer b.srv.mu.Unlock()
	b.versioning = "Suspended"
	if on {
		b.versioning = "Enabled"
	}
}

func (b *Bucket) setVersioning(body []byte) error {
	var sent struct{ Status string }
	if err := xml.Unmarshal(body, &sent); err != nil || //nolint:gosec // a string into a field of our own
		sent.Status != "Enabled" && sent.Status != "Suspended" {
		return fail(400, "IllegalVersioningConfigurationException", "The Versioning element must be specified")
	}
	b.versioning = sent.Status
	return nil
}

// put stores an object in place of one with the same name.
func (b *Bucket) put(o *Object) {
	if i, found := slices.BinarySearch(b.names, o.Name); !found {
		b.names = slices.Insert(b.names, i, o.Name)
	}
	b.objects[o.Name] = o
	b.push(o)
}

// remove deletes an object. A versioned bucket creates a delete marker, even if there was no
// object, and remove returns it.
func (b *Bucket) remove(name string) *Object {
	b.forget(name)
	if b.versioning == "" {
		delete(b.versions, name)
		return nil
	}
	mark := &Object{Name: name, Mark: true, Modified: b.srv.opts.Clock().UTC()}
	b.push(mark)
	return mark
}

// forget removes a name from what GET and listings find.
func (b *Bucket) forget(name string) {
	if i, found := slices.BinarySearch(b.names, name); found {
		b.names = slices.Delete(b.names, i, i+1)
	}
	delete(b.objects, name)
}

// push makes o the newest version of its name. While versioning is off or suspended, o replaces the
// version with the id "null".
func (b *Bucket) push(o *Object) {
	b.stored++
	o.Version = fmt.Sprintf("v%06d.s3test", b.stored)
	kept := b.versions[o.Name]
	if b.versioning != "Enabled" {
		o.Version = nullVersion
		kept = slices.DeleteFunc(slices.Clone(kept), func(old *Object) bool { return old.Version == nullVersion })
	}
	b.versions[o.Name] = slices.Concat([]*Object{o}, kept)
}

// replace replaces a version with a changed copy.
func (b *Bucket) replace(old, changed *Object) {
	if b.objects[old.Name] == old {
		b.objects[old.Name] = changed
	}
	if i := slices.Index(b.versions[old.Name], old); i >= 0 {
		b.versions[old.Name][i] = changed
	}
}

// drop deletes one version. A GET then finds the newest remaining version.
func (b *Bucket) drop(o *Object) {
	kept := slices.DeleteFunc(slices.Clone(b.versions[o.Name]), func(other *Object) bool { return other == o })
	b.versions[o.Name] = kept
	b.forget(o.Name)
	switch {
	case len(kept) == 0:
		delete(b.versions, o.Name)
	case !kept[0].Mark:
		i, _ := slices.BinarySearch(b.names, o.Name)
		b.names = slices.Insert(b.names, i, o.Name)
		b.objects[o.Name] = kept[0]
	}
}

// version returns one version for a read.
func (b *Bucket) version(name, id string) (*Object, error) {
	for _, o := range b.versions[name] {
		switch {
		case o.Version != id:
		case o.Mark:
			return nil, fail(405, "MethodNotAllowed", "The specified method is not allowed against this resource.")
		default:
			return o, nil
		}
	}
	return nil, fail(404, "NoSuchVersion", "The specified version does not exist.")
}

func (s *Server) deleteVersion(c *call) (answer, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.buckets[c.Bucket]
	if b == nil {
		return answer{}, noSuchBucket()
	}
	if err := s.authorize(c.who, "s3:DeleteObjectVersion", c.Bucket, c.Key); err != nil {
		return answer{}, err
	}
	header := http.Header{"X-Amz-Version-Id": {c.Version}}
	for _, o := range b.versions[c.Key] {
		if o.Version == c.Version {
			b.tellVersion(header, o)
			b.drop(o)
			break
		}
	}
	return answer{status: http.StatusNoContent, header: header}, nil
}

// readAction returns the permission that a read needs.
func (c *call) readAction() string {
	if c.Version != "" {
		return "s3:GetObjectVersion"
	}
	return "s3:GetObject"
}

// tellVersion sets the version headers of a response, in a versioned bucket.
func (b *Bucket) tellVersion(h http.Header, o *Object) {
	if b.versioning == "" {
		return
	}
	h.Set("X-Amz-Version-Id", o.Version)
	if o.Mark {
		h.Set("X-Amz-Delete-Marker", "true")
	}
}

type versionListing struct {
	XMLName     xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ ListVersionsResult"`
	Name        string
	Prefix      string
	Delimiter   string `xml:",omitempty"`
	Encoding    string `xml:"EncodingType,omitempty"`
	MaxKeys     int
	IsTruncated bool
	KeyMarker   string
	IDMarker    string `xml:"VersionIdMarker"`
	NextKey     string `xml:"NextKeyMarker,omitempty"`
	NextID      string `xml:"NextVersionIdMarker,omitempty"`
	Entries     []listedVersion
	Prefixes    []common `xml:"CommonPrefixes"`
}

// listedVersion is a Version or a DeleteMarker.
type listedVersion struct {
	XMLName      xml.Name
	Key          string
	VersionID    string `xml:"VersionId"`
	IsLatest     bool
	LastModified string
	ETag         string `xml:",omitempty"`
	Size         *int   `xml:",omitempty"`
	StorageClass string `xml:",omitempty"`
}

// listVersions returns one page: names in order, and for each name the newest version first.
func (s *Server) listVersions(c *call) (answer, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	b := s.buckets[c.Bucket]
	if b == nil {
		return answer{}, noSuchBucket()
	}
	if p := s.iam.policy(c.who); p.DenyListVersions || !p.lists(c.Prefix) {
		return answer{}, s.denied(c.who, "s3:ListBucketVersions", c.arn())
	}
	page := &versionListing{
		Name: c.Bucket, Prefix: c.Prefix, Delimiter: c.query.Get("delimiter"), Encoding: c.query.Get("encoding-type"),
		KeyMarker: c.query.Get("key-marker"), IDMarker: c.query.Get("version-id-marker"), MaxKeys: s.opts.PageSize,
	}
	if n, err := strconv.Atoi(c.query.Get("max-keys")); err == nil {
		page.MaxKeys = min(n, page.MaxKeys)
	}
	page.fill(b)
	if page.Encoding == "url" {
		page.encode()
	}
	return xmlAnswer(page), nil
}

// fill adds the versions after the markers: those of later names, and of the same name those after
// the version with that id. Without an id, all versions of that name are skipped.
func (p *versionListing) fill(b *Bucket) {
	names := make([]string, 0, len(b.versions))
	for name := range b.versions {
		if strings.HasPrefix(name, p.Prefix) && name >= p.KeyMarker {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	groups := listing{Prefix: p.Prefix, Delimiter: p.Delimiter}
	for _, name := range names {
		group := groups.group(name)
		behind := name > p.KeyMarker
		for i, o := range b.versions[name] {
			if !behind {
				behind = o.Version == p.IDMarker
				continue
			}
			if group != "" && (group == p.KeyMarker || len(p.Prefixes) > 0 && p.Prefixes[len(p.Prefixes)-1].Prefix == group) {
				break
			}
			if len(p.Entries)+len(p.Prefixes) == p.MaxKeys {
				p.IsTruncated = true
				return
			}
			if group != "" {
				p.Prefixes = append(p.Prefixes, common{group})
				p.NextKey, p.NextID = group, ""
				break
			}
			p.Entries = append(p.Entries, describeVersion(o, i == 0))
			p.NextKey, p.NextID = name, o.Version
		}
	}
	p.NextKey, p.NextID = "", ""
}

func describeVersion(o *Object, latest bool) listedVersion {
	v := listedVersion{Key: o.Name, VersionID: o.Version, IsLatest: latest, LastModified: s3Time(o.Modified)}
	v.XMLName.Local = "DeleteMarker"
	if !o.Mark {
		size := len(o.Body)
		v.XMLName.Local, v.ETag, v.Size, v.StorageClass = "Version", quote(o.ETag), &size, "STANDARD"
	}
	return v
}

func (p *versionListing) encode() {
	p.Prefix, p.Delimiter = uriEncode(p.Prefix, true), uriEncode(p.Delimiter, true)
	p.KeyMarker, p.NextKey = uriEncode(p.KeyMarker, true), uriEncode(p.NextKey, true)
	for i := range p.Entries {
		p.Entries[i].Key = uriEncode(p.Entries[i].Key, true)
	}
	for i := range p.Prefixes {
		p.Prefixes[i].Prefix = uriEncode(p.Prefixes[i].Prefix, true)
	}
}
