package awsconf

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// answers are the root elements of the responses to requests with a query parameter. A server that
// doesn't know the parameter ignores it and returns the object or a listing of the bucket. The SDK
// decodes any XML, and reads "nothing configured" from it.
var answers = map[string]string{
	"ListObjectVersions":              "ListVersionsResult",
	"GetObjectTagging":                "Tagging",
	"GetBucketVersioning":             "VersioningConfiguration",
	"GetBucketEncryption":             "ServerSideEncryptionConfiguration",
	"GetPublicAccessBlock":            "PublicAccessBlockConfiguration",
	"GetBucketLifecycleConfiguration": "LifecycleConfiguration",
	"GetBucketPolicy":                 "", // JSON
}

const maxAnswer = 64 << 20 // bytes of a response that are checked

// checkAnswers returns NotImplemented for a response to another request than the one that was sent.
func checkAnswers(stack *middleware.Stack) error {
	return stack.Deserialize.Add(middleware.DeserializeMiddlewareFunc("CheckAnswers", func(
		ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler,
	) (middleware.DeserializeOutput, middleware.Metadata, error) {
		out, metadata, err := next.HandleDeserialize(ctx, in)
		if err != nil {
			return out, metadata, err
		}
		want, ok := answers[middleware.GetOperationName(ctx)]
		response, isHTTP := out.RawResponse.(*smithyhttp.Response)
		if !ok || !isHTTP || response.StatusCode != http.StatusOK {
			return out, metadata, nil
		}
		body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
		_ = response.Body.Close()
		response.Body = io.NopCloser(bytes.NewReader(body))
		if err != nil {
			return out, metadata, &smithy.DeserializationError{Err: err}
		}
		return out, metadata, checkAnswer(want, body)
	}), middleware.After)
}

// checkAnswer rejects the responses that are known to be wrong, rather than all but the right one:
// moto 5.2 calls its VersioningConfiguration a GetBucketVersioningResponse.
func checkAnswer(want string, body []byte) error {
	body = bytes.TrimSpace(body)
	isJSON := bytes.HasPrefix(body, []byte("{"))
	root := rootOf(body)
	switch {
	case len(body) == 0, want == "" && isJSON, root == want && want != "":
		return nil // the caller decides whether an empty response is valid
	case isJSON:
		return notKnown("the object itself")
	case root == "ListBucketResult", root == "ListAllMyBucketsResult", root == "LocationConstraint":
		return notKnown("a " + root)
	case root == "", want == "", strings.EqualFold(root, "html"):
		return &smithy.DeserializationError{Err: errors.New("the response is not valid for this API")}
	}
	return nil
}

func notKnown(answer string) error {
	return &smithy.GenericAPIError{Code: "NotImplemented", Message: "the server doesn't support this request: it returns " + answer, Fault: smithy.FaultServer}
}

// rootOf returns the name of the root element of XML, and "" for anything else.
func rootOf(body []byte) string {
	decoder := xml.NewDecoder(bytes.NewReader(body))
	for {
		switch token, err := decoder.RawToken(); t := token.(type) {
		case xml.StartElement:
			return t.Name.Local
		case xml.CharData:
			if len(bytes.TrimSpace(t)) > 0 {
				return ""
			}
		default:
			if err != nil {
				return ""
			}
		}
	}
}
