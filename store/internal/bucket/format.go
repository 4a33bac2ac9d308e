package bucket

import "bytes"

// The formats of objects that tell by which kind of store they were written.
const (
	FormatTeam = "age:coffer-alias" // sealed with the key of a team
	FormatKMS  = "age:aws-kms"      // sealed under a key of KMS
	FormatJSON = "json"             // stored as it is
)

// FormatOf returns the format that an object has by its first bytes, which anybody can have written; "" if it
// has none of ours.
func FormatOf(beginning []byte) string {
	rest, ok := bytes.CutPrefix(beginning, []byte("age-encryption.org/v1\n-> "))
	if !ok {
		if bytes.HasPrefix(bytes.TrimSpace(beginning), []byte("{")) {
			return FormatJSON
		}
		return ""
	}
	kind, _, _ := bytes.Cut(rest, []byte(" "))
	for _, format := range []string{FormatTeam, FormatKMS} {
		if format == "age:"+string(kind) {
			return format
		}
	}
	return ""
}
