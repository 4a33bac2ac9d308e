package s3test

import "strings"

// Quirks make the server differ from AWS, as other servers do (measured in 2026, see docs/design).
type Quirks struct {
	NoConditions          bool // If-Match and If-None-Match are silently ignored
	ConditionsUnsupported bool // each conditional write is 501 NotImplemented
	ConditionsConflict    bool // each conditional write is 409 ConditionalRequestConflict
	DeleteIgnoresMatch    bool // If-Match of a delete is silently ignored: MinIO, Ceph
	DeleteMissingDone     bool // a delete of a missing key succeeds, whatever its If-Match: versitygw
	QuotedMatchFails      bool // If-Match with quotes never matches: Ceph
	MatchMissing412       bool // If-Match of a missing key is 412 and not 404: Ceph, SeaweedFS

	// Ignores are the query parameters and headers that the server ignores, separated by spaces.
	// The request is then handled as one for the object or the bucket itself: "tagging" of
	// gofakes3 1.2.0, "versionId", "versions", "policy", "x-amz-tagging" ...
	Ignores string

	LinksNeverEnd bool // the expiry of a presigned URL isn't checked

	MD5Tags          bool // ETags are MD5 sums with aws:kms too: Ceph, SeaweedFS, moto
	IgnoresSSE       bool // objects aren't encrypted, and responses don't mention encryption: versitygw
	NoKMS            bool // a PUT that asks for aws:kms is 501 NotImplemented: rclone serve s3 1.76
	KeyNameAsSent    bool // responses name the key as the PUT did and not by its ARN: Ceph, moto
	KeyNameMinIO     bool // as sent, after "arn:aws:kms:": MinIO
	KeyErrorsMinIO   bool // 404 kms:KeyNotFound, 403 kms:NotAuthorized: MinIO
	DeniedKeyCutBody bool // a GET with a denied or disabled key is 200 with a cut body: SeaweedFS

	MissingKeyTold      bool // 404 for a missing key even to callers without permission to list: MinIO, versitygw, SeaweedFS
	ExpiredAccessDenied bool // an expired session is 403 AccessDenied: Ceph
	ExpiredInvalidKeyID bool // an expired session is 403 InvalidAccessKeyId: MinIO, SeaweedFS
	NoSTS               bool // STS creates sessions, but GetCallerIdentity is 400: MinIO

	Settings SettingsQuirks
}

// MinIO returns the quirks of MinIO 2026-02.
func MinIO() Quirks {
	return Quirks{
		DeleteIgnoresMatch: true, KeyNameMinIO: true, KeyErrorsMinIO: true,
		MissingKeyTold: true, ExpiredInvalidKeyID: true, NoSTS: true,
	}
}

// Versitygw returns the quirks of versitygw 1.8.
func Versitygw() Quirks {
	return Quirks{
		DeleteMissingDone: true, IgnoresSSE: true, MD5Tags: true, MissingKeyTold: true,
		Settings: SettingsQuirks{MarkIsObject: true},
	}
}

// Ceph returns the quirks of the Ceph object gateway 16.2.
func Ceph() Quirks {
	return Quirks{
		DeleteIgnoresMatch: true, QuotedMatchFails: true, MatchMissing412: true,
		MD5Tags: true, KeyNameAsSent: true, ExpiredAccessDenied: true, NoSTS: true,
		Settings: SettingsQuirks{BlockDeniesPuts: true, VersionsVoidPuts: true, NoKMSDefault: true, NoKMSAPI: true},
	}
}

// SeaweedFS returns the quirks of SeaweedFS 4.44.
func SeaweedFS() Quirks {
	return Quirks{
		MatchMissing412: true, MD5Tags: true, DeniedKeyCutBody: true, MissingKeyTold: true, ExpiredInvalidKeyID: true,
		Settings: SettingsQuirks{Missing: "publicAccessBlock"},
	}
}

// ignore removes from a request what the server ignores, after its signature was checked.
func (q Quirks) ignore(c *call) {
	if q.Ignores == "" {
		return
	}
	for _, name := range strings.Fields(q.Ignores) {
		c.query.Del(name)
		c.header.Del(name)
	}
	fault := c.N
	c.Request = Request{}
	c.name()
	c.N = fault
}
