package awsconf

import (
	"errors"
	"testing"

	"github.com/aws/smithy-go"
)

func TestAnAnswerToAnotherQuestionIsNone(t *testing.T) {
	for _, test := range []struct {
		op, body string
		known    bool // false: the server does not know the question
		torn     bool
	}{
		{"GetBucketVersioning", `<?xml version="1.0" encoding="UTF-8"?><VersioningConfiguration/>`, true, false},
		{"GetBucketVersioning", `<GetBucketVersioningResponse xmlns="http://s3.amazonaws.com/doc/2006-03-01/"/>`, true, false}, // moto 5.2
		{"GetBucketVersioning", `<ListBucketResult><Name>b</Name></ListBucketResult>`, false, false},
		{"ListObjectVersions", `<ListVersionsResult/>`, true, false},
		{"ListObjectVersions", `<ListBucketResult/>`, false, false},
		{"GetObjectTagging", `{"service":"api","key":"k"}`, false, false},
		{"GetObjectTagging", `<!-- a tagging --><Tagging/>`, true, false},
		{"GetBucketPolicy", `{"Statement":[]}`, true, false},
		{"GetBucketPolicy", `<ListBucketResult/>`, false, false},
		{"GetBucketPolicy", `<html>please log in`, true, true},
		{"GetBucketEncryption", "<html>\x00\xff{]]>", true, true},
		{"GetBucketEncryption", "nonsense", true, true},
		{"GetBucketEncryption", "", true, false},
	} {
		err := checkAnswer(answers[test.op], []byte(test.body))
		var api smithy.APIError
		var torn *smithy.DeserializationError
		if known := !(errors.As(err, &api) && api.ErrorCode() == "NotImplemented"); known != test.known || errors.As(err, &torn) != test.torn || test.known && !test.torn && err != nil {
			t.Errorf("%s answered with %q: %v", test.op, test.body, err)
		}
	}
}
