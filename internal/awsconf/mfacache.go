package awsconf

import (
	"crypto/sha1" //nolint:gosec // the AWS CLI names its files so
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
	"unicode/utf16"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"

	"github.com/coffer-secrets/coffer/internal/outfile"
)

// sessionCache is the directory in which the AWS CLI keeps the sessions of roles, ~/.aws/cli/cache. Its
// format is that of botocore (JSONFileCache in utils.py, AssumeRoleCredentialFetcher in credentials.py).
// "" caches nothing.
type sessionCache string

// cachedSession is a file of the cache: the response of AssumeRole.
type cachedSession struct {
	Credentials struct {
		AccessKeyID     string `json:"AccessKeyId"`
		SecretAccessKey string
		SessionToken    string
		Expiration      string // as in 2026-11-28T07:00:00UTC, or ISO 8601
		AccountID       string `json:"AccountId,omitempty"`
	}
	AssumedRoleUser struct {
		AssumedRoleID string `json:"AssumedRoleId"`
		Arn           string
	}
}

// cacheKey returns the name of a session's file: the SHA-1 of what the AWS CLI sends to AssumeRole, as
// Python writes it as JSON, without a session name that it has made up.
func cacheKey(p config.SharedConfig) string {
	var fields []string
	add := func(name, value string) {
		if value != "" {
			fields = append(fields, pythonString(name)+": "+value)
		}
	}
	text := func(name, value string) {
		if value != "" {
			add(name, pythonString(value))
		}
	}
	if p.RoleDurationSeconds != nil {
		add("DurationSeconds", fmt.Sprint(int64(*p.RoleDurationSeconds/time.Second)))
	}
	text("ExternalId", p.ExternalID)
	text("RoleArn", p.RoleARN)
	text("RoleSessionName", p.RoleSessionName)
	text("SerialNumber", p.MFASerial)
	sum := sha1.Sum([]byte("{" + strings.Join(fields, ", ") + "}")) //nolint:gosec // as above
	return hex.EncodeToString(sum[:])
}

// pythonString writes a string as Python's json.dumps does: in ASCII.
func pythonString(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteString(`\` + string(r))
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t':
			b.WriteString(`\t`)
		case r >= ' ' && r < 0x80:
			b.WriteRune(r)
		default:
			for _, unit := range utf16.Encode([]rune{r}) {
				fmt.Fprintf(&b, `\u%04x`, unit)
			}
		}
	}
	return b.String() + `"`
}

// load returns a session that doesn't end within five minutes, or nil.
func (c sessionCache) load(key string, now time.Time) *sts.AssumeRoleOutput {
	if c == "" {
		return nil
	}
	body, err := os.ReadFile(filepath.Join(string(c), key+".json"))
	var s cachedSession
	if err != nil || json.Unmarshal(body, &s) != nil {
		return nil
	}
	ends, err := time.Parse(time.RFC3339, strings.Replace(s.Credentials.Expiration, "UTC", "Z", 1))
	if err != nil || ends.Sub(now) <= longestAhead || s.Credentials.AccessKeyID == "" || s.Credentials.SecretAccessKey == "" {
		return nil
	}
	return &sts.AssumeRoleOutput{
		Credentials: &types.Credentials{
			AccessKeyId: &s.Credentials.AccessKeyID, SecretAccessKey: &s.Credentials.SecretAccessKey,
			SessionToken: &s.Credentials.SessionToken, Expiration: &ends,
		},
		AssumedRoleUser: &types.AssumedRoleUser{Arn: &s.AssumedRoleUser.Arn, AssumedRoleId: &s.AssumedRoleUser.AssumedRoleID},
	}
}

// save writes a session to a file that only its owner can read.
func (c sessionCache) save(key string, out *sts.AssumeRoleOutput) error {
	if c == "" {
		return nil
	}
	var s cachedSession
	s.Credentials.AccessKeyID = aws.ToString(out.Credentials.AccessKeyId)
	s.Credentials.SecretAccessKey = aws.ToString(out.Credentials.SecretAccessKey)
	s.Credentials.SessionToken = aws.ToString(out.Credentials.SessionToken)
	s.Credentials.Expiration = aws.ToTime(out.Credentials.Expiration).UTC().Format("2006-01-02T15:04:05UTC")
	if user := out.AssumedRoleUser; user != nil {
		s.AssumedRoleUser.Arn, s.AssumedRoleUser.AssumedRoleID = aws.ToString(user.Arn), aws.ToString(user.AssumedRoleId)
		if parts := strings.SplitN(s.AssumedRoleUser.Arn, ":", 6); len(parts) == 6 {
			s.Credentials.AccountID = parts[4]
		}
	}
	body, err := json.Marshal(s)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(string(c), 0o700); err != nil {
		return err
	}
	return outfile.Write(filepath.Join(string(c), key+".json"), body)
}
