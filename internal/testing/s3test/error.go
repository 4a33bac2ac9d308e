package s3test

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"net/http"
)

// failure is an error of the API.
type failure struct {
	status        int
	code, message string
}

func (f *failure) Error() string { return f.code + ": " + f.message }

func fail(status int, code, message string) error {
	return &failure{status, code, message}
}

func noSuchKey() error { return fail(404, "NoSuchKey", "The specified key does not exist.") }

func noSuchBucket() error { return fail(404, "NoSuchBucket", "The specified bucket does not exist") }

func invalidArgument(message string) error { return fail(400, "InvalidArgument", message) }

// refuse returns the error response to a failed request, in the format of its service.
func (c *call) refuse(err error) answer {
	f := &failure{500, "InternalError", "We encountered an internal error. Please try again."}
	_ = errors.As(err, &f)
	var a answer
	switch {
	case c.Service == "kms":
		body, _ := json.Marshal(map[string]string{"__type": f.code, "message": f.message})
		a = answer{header: http.Header{"Content-Type": {"application/x-amz-json-1.1"}, "X-Amzn-Errortype": {f.code}}, body: body}
	case c.Service == "sts":
		a = xmlAnswer(struct {
			XMLName   xml.Name `xml:"https://sts.amazonaws.com/doc/2011-06-15/ ErrorResponse"`
			Type      string   `xml:"Error>Type"`
			Code      string   `xml:"Error>Code"`
			Message   string   `xml:"Error>Message"`
			RequestID string   `xml:"RequestId"`
		}{Type: "Sender", Code: f.code, Message: f.message, RequestID: requestID})
	case c.method == http.MethodHead:
		a = answer{header: http.Header{}} // S3 reports the error code only in the body, and the response to a HEAD has none
	default:
		a = xmlAnswer(struct {
			XMLName   xml.Name `xml:"Error"`
			Code      string
			Message   string
			Resource  string
			RequestID string `xml:"RequestId"`
		}{Code: f.code, Message: f.message, Resource: c.path, RequestID: requestID})
	}
	a.status, a.code = f.status, f.code
	a.header.Set("X-Amz-Request-Id", requestID)
	return a
}

const requestID = "S3TEST0000000001"

// xmlAnswer returns a response with status 200 and v as its body.
func xmlAnswer(v any) answer {
	body, err := xml.Marshal(v)
	if err != nil {
		panic(err) // v is always one of our own structs
	}
	return answer{
		status: http.StatusOK,
		header: http.Header{"Content-Type": {"application/xml"}},
		body:   append([]byte(xml.Header), body...),
	}
}
