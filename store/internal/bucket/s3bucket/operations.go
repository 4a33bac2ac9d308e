package s3bucket

// Operation describes what a server that implements only a part of S3 may ignore in a request, and
// how that is detected before it does harm.
type Operation struct {
	Parts string // the query parameters and headers that define the operation
	Guard string // the check on a server other than AWS; for a request that only reads, the check of its answer
}

// Operations are all S3 requests of the program.
var Operations = map[string]Operation{
	"PutObject":           {"If-Match, If-None-Match, x-amz-tagging, x-amz-server-side-encryption", "the probe of conditions, the trial of tags; the answer tells the encryption"},
	"DeleteObject":        {"If-Match, ?versionId", "the probe of conditions, the trial of versions"},
	"GetObject":           {"?versionId, a signature in the query", "the trials of versions and of links"},
	"HeadObject":          {},
	"ListObjectsV2":       {"?list-type, ?start-after", "an answer without the bucket's name is no listing; the trial of ranges"},
	"ListObjectVersions":  {"?versions", "the trial of versions; the answer must be no listing of objects"},
	"GetObjectTagging":    {"?tagging", "the answer must not be the object"},
	"DeleteObjectTagging": {"?tagging", "the trial of tags"},
	"PutObjectTagging":    {"?tagging", "the trial of tags"},

	"HeadBucket":   {},
	"CreateBucket": {},
	"DeleteBucket": {},

	"GetBucketVersioning":             {"?versioning", "the answer must be no listing"},
	"PutBucketVersioning":             {"?versioning", "tried by init on a bucket of its own, and read back"},
	"GetBucketEncryption":             {"?encryption", "the answer must be no listing"},
	"PutBucketEncryption":             {"?encryption", "tried by init on a bucket of its own, and read back"},
	"GetPublicAccessBlock":            {"?publicAccessBlock", "the answer must be no listing"},
	"PutPublicAccessBlock":            {"?publicAccessBlock", "tried by init on a bucket of its own, and read back"},
	"GetBucketPolicy":                 {"?policy", "the answer must be JSON"},
	"PutBucketPolicy":                 {"?policy", "tried by init on a bucket of its own, and read back"},
	"GetBucketLifecycleConfiguration": {"?lifecycle", "the answer must be no listing"},
	"PutBucketLifecycleConfiguration": {"?lifecycle", "tried by init on a bucket of its own, and read back"},
	"DeleteBucketEncryption":          {"?encryption", "sent only after the setting was put and read back, or to a bucket that is to be deleted"},
	"DeletePublicAccessBlock":         {"?publicAccessBlock", "sent only after the setting was put and read back, or to a bucket that is to be deleted"},
	"DeleteBucketPolicy":              {"?policy", "sent only after the setting was put and read back, or to a bucket that is to be deleted"},
	"DeleteBucketLifecycle":           {"?lifecycle", "sent only after the setting was put and read back, or to a bucket that is to be deleted"},
}
