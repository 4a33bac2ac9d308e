package s3test

import "strings"

// Quirks make the server differ from AWS, as other servers do (measured in 2026, see docs/design).
type Quirks struct {
	NoConditions          bool // If-Match and If-None-Match are ignored in silence
	ConditionsUnsupported bool // each conditional write is 501 NotImplemented
	ConditionsConflict    bool // each conditional write is 409 ConditionalRequestConflict
	DeleteIgnoresMatch    bool // If-Match of a delete is ignored in silence: MinIO, Ceph
	DeleteMissingDone     bool // a delete of a missing key is done, whatever its If-Match: versitygw
	QuotedMatchFails      bool // If-Match with quotes never matches: Ceph
	MatchMissing412       bool // If-Match of a missing key is 412 and not 404: Ceph, SeaweedFS

	// Ignores are the query parameters and headers that it takes no notice of, with spaces between
	// them, so that a request is taken for one for the object or the bucket itself: "tagging" of
	// gofakes3 1.2.0, "versionId", "versions", "policy", "x-amz-tagging" ...
	Ignores string

	LinksNeverEnd bool // the end of a presigned URL is not looked at

	MD5Tags          bool // ETags are MD5 sums under aws:kms too: Ceph, SeaweedFS, moto
	IgnoresSSE       bool // encryption is neither done nor mentioned in answers: versitygw
	NoKMS            bool // a put that asks for aws:kms is 501 NotImplemented: rclone serve s3 1.76
	KeyNameAsSent    bool // answers name the key as the put did and not by its ARN: Ceph, moto
	KeyNameMinIO     bool // as sent, after "arn:aws:kms:": MinIO
	KeyErrorsMinIO   bool // 404 kms:KeyNotFound, 403 kms:NotAuthorized: MinIO
	DeniedKeyCutBody bool // a GET under a denied or disabled key is 200 with a cut body: SeaweedFS

	MissingKeyTold      bool // 404 for a missing key even to those who may not list: MinIO, versitygw, SeaweedFS
	ExpiredAccessDenied bool // an expired session is 403 AccessDenied: Ceph
	ExpiredInvalidKeyID bool // an expired session is 403 InvalidAccessKeyId: MinIO, SeaweedFS
	NoSTS               bool // STS gives sessions, and a 400 to whoever asks who they are: MinIO

	Settings SettingsQuirks
}

// MinIO are the quirks of MinIO 2026-02.
func MinIO() Quirks {
	return Quirks{
		DeleteIgnoresMatch: true, KeyNameMinIO: true, KeyErrorsMinIO: true,
		MissingKeyTold: true, ExpiredInvalidKeyID: true, NoSTS: true,
	}
}

// Versitygw are the quirks of versitygw 1.8.
func Versitygw() Quirks {
	return Quirks{
		DeleteMissingDone: true, IgnoresSSE: true, MD5Tags: true, MissingKeyTold: true,
		Settings: SettingsQuirks{MarkIsObject: true},
	}
}

// Ceph are the quirks of the Ceph object gateway 16.2.
func Ceph() Quirks {
	return Quirks{
		DeleteIgnoresMatch: true, QuotedMatchFails: true, MatchMissing412: true,
		MD5Tags: true, KeyNameAsSent: true, ExpiredAccessDenied: true, NoSTS: true,
		Settings: SettingsQuirks{BlockDeniesPuts: true, VersionsVoidPuts: true, NoKMSDefault: true, NoKMSAPI: true},
	}
}

// SeaweedFS are the quirks of SeaweedFS 4.44.
func SeaweedFS() Quirks {
	return Quirks{
		MatchMissing412: true, MD5Tags: true, DeniedKeyCutBody: true, MissingKeyTold: true, ExpiredInvalidKeyID: true,
		Settings: SettingsQuirks{Missing: "publicAccessBlock"},
	}
}

// ignore takes out of a request, once its signature was checked, what the server takes no notice of.
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
