package awsconf

import (
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/aws/smithy-go"

	"github.com/coffer-secrets/coffer/internal/foreign"
)

// Said describes an error of the SDK without the SDK's own words: what the server said, or why it
// said nothing. The server's text is fit to be shown.
func Said(err error) string {
	var api smithy.APIError
	var unread *smithy.DeserializationError
	status := answered(err)
	switch {
	case CutOff(err):
		return "the connection was closed before the response was complete"
	case errors.As(err, &unread) && status == 0:
		return "the response is not valid for this API"
	case unread != nil, status != 0 && (!errors.As(err, &api) || isBare(api)):
		return fmt.Sprintf("status %d, and no valid response of this API", status)
	case errors.As(err, &api) && api.ErrorMessage() == "":
		return api.ErrorCode()
	case errors.As(err, &api):
		return foreign.Text(api.ErrorCode() + ": " + api.ErrorMessage())
	}
	if text := Unanswered(err); text != "" {
		return text
	}
	var operation *smithy.OperationError
	if errors.As(err, &operation) && operation.Err != nil {
		err = operation.Err
	}
	return foreign.Text(err.Error())
}

// CutOff reports whether a response began and its connection ended before the response did.
func CutOff(err error) bool {
	var network net.Error
	return answered(err) != 0 && (errors.Is(err, io.ErrUnexpectedEOF) || errors.As(err, &network))
}

// isBare reports whether the SDK has made up an error because the response has none.
func isBare(e smithy.APIError) bool {
	return e.ErrorCode() == "" || e.ErrorCode() == "UnknownError" && (e.ErrorMessage() == "" || e.ErrorMessage() == "UnknownError")
}

// toldError is an error with a text of its own.
type toldError struct {
	text string
	err  error
}

func (e *toldError) Error() string { return e.text }
func (e *toldError) Unwrap() error { return e.err }

// told returns err with the text of [Said].
func told(err error) error { return &toldError{Said(err), err} }
