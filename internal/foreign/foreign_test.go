package foreign_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/coffer-secrets/coffer/internal/foreign"
)

// key has the form of AWS's secret keys; it is the one of AWS's documentation, with another end.
const key = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYCANARYKE1"

func TestCredentialsAreHidden(t *testing.T) {
	token := strings.Repeat("FwoGZXIvYXdzEJr9+/", 12)
	for text, want := range map[string]string{
		"the key " + key + "x is wrong":                           "the key [hidden] is wrong",
		"token " + token + "== is over":                           "token [hidden] is over",
		"dial https://ann:hunter22@minio.lan:9000/b: refused":     "dial https://ann:[hidden]@minio.lan:9000/b: refused",
		"sent to /b?X-Amz-Signature=deadbeef&x=1":                 "sent to /b?X-Amz-Signature=[hidden]&x=1",
		"AWS4-HMAC-SHA256 Credential=AKIA/x, Signature=abcdef12":  "AWS4-HMAC-SHA256 Credential=AKIA/x, Signature=[hidden]",
		"Authorization: Bearer abcdefghijk":                       "Authorization: Bearer [hidden]",
		"jwt eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJ4In0.c2ln was read":  "jwt [hidden] was read",
		`output: {"SecretAccessKey": "short", "SessionToken":"t"`: `output: {"SecretAccessKey": "[hidden]", "SessionToken":"[hidden]"`,
		`output: {\"SecretAccessKey\":\"short\"}`:                 `output: {\"SecretAccessKey\":\"[hidden]\"}`,
		"aws_secret_access_key = short":                           "aws_secret_access_key = [hidden]",
		"<SessionToken>abc</SessionToken>":                        "<SessionToken>[hidden]</SessionToken>",
		"line 3: AGE-SECRET-KEY-1QQQ is bad":                      "line 3: [hidden] is bad",
		"-----BEGIN RSA PRIVATE KEY-----\nabc\n-----END X-----":   "[hidden]",
		"known hunter2222 and hunter2222-longer":                  "known [hidden] and [hidden]",
	} {
		if got := foreign.Text(text, "hunter2222", "hunter2222-longer"); got != want {
			t.Errorf("%q is shown as\n%q, want\n%q", text, got, want)
		}
	}
}

func TestNamesAreNotHidden(t *testing.T) {
	for _, text := range []string{
		"AKIAIOSFODNN7EXAMPLE is not authorized to perform s3:GetObject on arn:aws:s3:::acme-secrets/api/db_password.json",
		"api/0deab6abc58356a0da58d6146c57144c0deab6ab.json", "arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab",
		"/tmp/TestPermanentFaults2327188262/001/data/coffer", "http://127.0.0.1:9000/b", "a password is needed", "the secret: db_url",
	} {
		if got := foreign.Text(text); got != text {
			t.Errorf("%q is shown as %q", text, got)
		}
	}
}

func TestTextIsOneShortLine(t *testing.T) {
	if got := foreign.Text("<html>\r\n  <b>502\n</b>"); got != "<html> <b>502 </b>" {
		t.Errorf("%q", got)
	}
	if got := foreign.Text(strings.Repeat("é ", 500)); utf8.RuneCountInString(got) > foreign.Longest || !strings.HasSuffix(got, "…") {
		t.Errorf("%d characters: %q", utf8.RuneCountInString(got), got)
	}
	// What is cut first could no longer be recognised.
	if got := foreign.Text(strings.Repeat("x ", 90) + key + "x"); strings.Contains(got, key[:10]) {
		t.Errorf("%q", got)
	}
}
