package s3bucket

// Operation says of a request what a server that does not know all of S3 may overlook, and how it
// is found out before that does harm.
type Operation struct {
	Parts string // the query parameters and headers that say what it does
	Guard string // what is done on a server that is not AWS's; of one that only reads, what its answer is held against
}

// Operations are all requests of S3 that the program makes.
var Operations = map[string]Operation{
	"PutObject":           {"If-Match, If-None-Match, x-amz-tagging, x-amz-server-side-encryption", "the probe of conditions, the trial of tags; the answer tells the encryption"},
	"DeleteObject":        {"If-Match, ?versionId", "the probe of conditions, the trial of versions"},
	"GetObject":           {"?versionId, a signature in the query", "the trials of versions and of links"},
	"HeadObject":          {},
	"ListObjectsV2":       {"?list-type", "an answer without the bucket's name is no listing"},
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
