// Package bucketname parses the names that users give for an S3 bucket, and checks them against the rules
// of Amazon S3. It makes no requests.
package bucketname

import (
	"fmt"
	"net"
	"strings"
)

// Clean returns the name in what people write: "s3://acme" and "s3://acme/" are acme.
func Clean(text string) string {
	name, ok := strings.CutPrefix(text, "s3://")
	if name = strings.TrimSuffix(name, "/"); ok && !strings.ContainsAny(name, "/:") {
		return name
	}
	return text
}

// NameError is the error for a text that names no bucket that can be used.
type NameError struct {
	Name   string
	Reason string
	Way    string // what to write instead
}

func (e *NameError) Error() string { return fmt.Sprintf("%q %s", e.Name, e.Reason) }

// Hint returns what to write instead.
func (e *NameError) Hint() string { return e.Way }

// Check returns a [*NameError] for what is no bucket's name on any server.
func Check(name string) error {
	if strings.HasPrefix(name, "arn:") {
		_, err := accessPoint(name)
		return err
	}
	for _, kind := range reserved {
		if kind.anyServer && strings.HasSuffix(name, kind.ending) {
			return &NameError{name, kind.reason, wayToBucket}
		}
	}
	bucket, _, below := strings.Cut(strings.TrimPrefix(name, "s3://"), "/")
	switch {
	case strings.HasPrefix(name, "http://"), strings.HasPrefix(name, "https://"):
		return &NameError{name, "is a URL, not the name of a bucket", "use only the bucket's name; --endpoint-url sets the URL of another S3 server"}
	case below && bucket != "": // the parts are not repeated: it may be a secret in the wrong variable
		return &NameError{name, "is a path in a bucket: secrets are stored at its top level", "use only the bucket's name, without the path"}
	case !has(name, anyName, 1, 255):
		return &NameError{name, "is not a valid bucket name: it has characters other than letters, digits, dots, hyphens and underscores", rules}
	}
	return nil
}

const (
	lowerOrDigit = "abcdefghijklmnopqrstuvwxyz0123456789"
	anyName      = lowerOrDigit + "ABCDEFGHIJKLMNOPQRSTUVWXYZ._-"
)

// has reports whether a text has least to most bytes, all of them from a set. These are no regular
// expressions: those would be compiled at every start of the program.
func has(text, set string, least, most int) bool {
	return len(text) >= least && len(text) <= most && strings.Trim(text, set) == ""
}

const rules = "a bucket's name has 3 to 63 characters: lower-case letters, digits, dots and hyphens, with a letter or a digit at both ends"

// reserved are the endings of names that are no general purpose buckets. The SDK makes other requests
// for the first two, whatever the server.
var reserved = []struct {
	ending, reason string
	anyServer      bool
}{
	{"--x-s3", "is a directory bucket (S3 Express One Zone), which isn't supported: it lists objects in no order, keeps no versions and is in only one zone", true},
	{"--xa-s3", "is an access point of a directory bucket (S3 Express One Zone), which isn't supported: it lists objects in no order and keeps no versions", true},
	{"--table-s3", "is a table bucket, which keeps only tables", false},
	{"--ol-s3", "is an Object Lambda access point, which isn't supported: a function may change what is read", false},
	{".mrap", multiRegion, false},
}

// CheckAWS returns a [*NameError] for a name that [Check] accepts and that is none on Amazon S3, or is of
// a kind of bucket that can't keep secrets safely.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
func CheckAWS(name, region string) error {
	if strings.HasPrefix(name, "arn:") {
		return nil
	}
	for _, kind := range reserved {
		if strings.HasSuffix(name, kind.ending) {
			return &NameError{name, kind.reason, wayToBucket}
		}
	}
	today := has(name, lowerOrDigit+".-", 3, 63) && has(name[:1]+name[len(name)-1:], lowerOrDigit, 2, 2)
	old := region == "us-east-1" && has(name, anyName, 3, 255) // those made until 2018
	if !old && !today || strings.Contains(name, "..") || net.ParseIP(name) != nil {
		return &NameError{name, "is not a valid bucket name on Amazon S3", rules}
	}
	return nil
}

const (
	multiRegion = "is a multi-Region access point, which isn't supported: it reads from several buckets that are replicated with a delay, so a secret can be out of date"
	wayToBucket = "use a general purpose bucket, or an access point of one in one region"
)

// AccessPoint is an access point of a bucket in one region.
type AccessPoint struct {
	ARN, Region, Account, Name string
}

// Parse returns the access point that a name is the ARN of; false for the name of a bucket.
func Parse(name string) (AccessPoint, bool) {
	p, err := accessPoint(name)
	return p, err == nil
}

// accessPoint parses arn:PARTITION:s3:REGION:ACCOUNT:accesspoint/NAME.
func accessPoint(name string) (AccessPoint, error) {
	parts := strings.SplitN(name, ":", 6)
	if len(parts) < 6 || parts[0] != "arn" {
		return AccessPoint{}, &NameError{name, "is not the ARN of an access point", wayToARN}
	}
	kind, id, _ := strings.Cut(parts[5], "/")
	if strings.HasPrefix(parts[5], "accesspoint:") { // the older form
		kind, id, _ = strings.Cut(parts[5], ":")
	}
	switch {
	case parts[2] == "s3" && parts[3] == "" && parts[4] == "" && kind != "accesspoint":
		return AccessPoint{}, &NameError{name, "is the ARN of a bucket, not its name", "use only the bucket's name: " + kind}
	case parts[2] == "s3-object-lambda":
		return AccessPoint{}, &NameError{name, "is an Object Lambda access point, which isn't supported: a function may change what is read", wayToBucket}
	case parts[2] == "s3-outposts":
		return AccessPoint{}, &NameError{name, "is in S3 on Outposts, which isn't supported", wayToBucket}
	case parts[2] == "s3express":
		return AccessPoint{}, &NameError{name, "is the ARN of a directory bucket (S3 Express One Zone), which isn't supported: it lists objects in no order and keeps no versions", wayToBucket}
	case parts[2] == "s3" && kind == "accesspoint" && (parts[3] == "" || strings.HasSuffix(id, ".mrap")):
		return AccessPoint{}, &NameError{name, multiRegion, wayToBucket}
	case parts[2] != "s3" || kind != "accesspoint" || id == "" || strings.ContainsAny(id, "/:") || parts[4] == "":
		return AccessPoint{}, &NameError{name, "is not the ARN of an access point", wayToARN}
	}
	return AccessPoint{ARN: name, Region: parts[3], Account: parts[4], Name: id}, nil
}

const wayToARN = "use the bucket's name, or arn:aws:s3:REGION:ACCOUNT:accesspoint/NAME"

// IsAccessPoint reports whether a name is the ARN or the alias of an access point. Requests for objects
// take both; an access point doesn't show the settings of its bucket.
func IsAccessPoint(name string) bool {
	_, ok := Parse(name)
	return ok || strings.HasSuffix(name, aliasSuffix)
}

const aliasSuffix = "-s3alias"
