package s3test

import (
	"errors"
	"net/http"
)

// sse is the encryption that a PUT asks for.
type sse struct {
	method    string // "" for the bucket's default
	key       string // any name of a key
	bucketKey bool
}

// encrypted is the encryption that the object gets.
type encrypted struct {
	method    string
	keyARN    string
	keyName   string // the key's name in responses
	bucketKey bool
}

func sseOf(h http.Header) sse {
	return sse{
		method:    h.Get("X-Amz-Server-Side-Encryption"),
		key:       h.Get("X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id"),
		bucketKey: h.Get("X-Amz-Server-Side-Encryption-Bucket-Key-Enabled") == "true",
	}
}

// encryption decides how a new object is encrypted. who is nil for a test's own objects, which may
// use every key.
func (s *Server) encryption(b *Bucket, asked sse, who *identity) (encrypted, error) {
	if s.opts.Quirks.IgnoresSSE {
		return encrypted{}, nil
	}
	if asked.method == "" && asked.key == "" {
		asked = b.defaultSSE
	}
	switch asked.method {
	case AES256:
		if asked.key != "" {
			return encrypted{}, invalidArgument("Server Side Encryption with AWS KMS managed key requires HTTP header x-amz-server-side-encryption : aws:kms")
		}
		return encrypted{method: AES256}, nil
	case AWSKMS:
		if s.opts.Quirks.NoKMS {
			return encrypted{}, notImplemented()
		}
	default:
		return encrypted{}, invalidArgument("The encryption method specified is not supported")
	}
	name := asked.key
	if name == "" {
		name = "alias/aws/s3"
	}
	var denied []string
	if who != nil {
		denied = s.iam.policy(who).DenyGenerateDataKey
	}
	arn, err := s.KMS.use(name, "kms:GenerateDataKey", who, denied)
	if err != nil {
		return encrypted{}, s.opts.Quirks.keyError(err)
	}
	e := encrypted{method: AWSKMS, keyARN: arn, keyName: arn, bucketKey: asked.bucketKey}
	switch {
	case s.opts.Quirks.KeyNameAsSent:
		e.keyName = name
	case s.opts.Quirks.KeyNameMinIO:
		e.keyName = "arn:aws:kms:" + name
	}
	return e, nil
}

// mayDecrypt checks that the caller can read an object's body. It returns the error that S3 would
// pass on from KMS.
func (s *Server) mayDecrypt(c *call, o *Object) error {
	if o.KeyARN == "" {
		return nil
	}
	_, err := s.KMS.use(o.KeyARN, "kms:Decrypt", c.who, s.iam.policy(c.who).DenyDecrypt)
	return s.opts.Quirks.keyError(err)
}

// keyError returns a KMS error as S3 reports it.
func (q Quirks) keyError(err error) error {
	var f *failure
	switch {
	case !q.KeyErrorsMinIO || !errors.As(err, &f):
		return err
	case f.code == "KMS.NotFoundException":
		return fail(404, "kms:KeyNotFound", "key with given key ID does not exist")
	}
	return fail(403, "kms:NotAuthorized", "not authorized to perform this operation")
}

func (o *Object) sseHeader() http.Header {
	h := http.Header{}
	if o.SSE != "" {
		h.Set("X-Amz-Server-Side-Encryption", o.SSE)
	}
	if o.keyName != "" {
		h.Set("X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id", o.keyName)
	}
	if o.bucketKey {
		h.Set("X-Amz-Server-Side-Encryption-Bucket-Key-Enabled", "true")
	}
	return h
}
