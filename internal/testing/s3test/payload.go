package s3test

import (
	"bytes"
	"crypto/md5"  //nolint:gosec // Content-MD5
	"crypto/sha1" //nolint:gosec // x-amz-checksum-sha1
	"crypto/sha256"
	"encoding/base64"
	"hash"
	"hash/crc32"
	"hash/crc64"
	"net/http"
	"strconv"
	"strings"
)

// unwrap compares the body with its signed hash, and decodes it if it was sent in chunks. Chunks
// that are signed one by one aren't supported: no AWS SDK for Go sends them.
func (c *call) unwrap(payload string) error {
	switch {
	case payload == unsignedPayload:
		return nil
	case payload == unsignedTrailer:
		return c.unchunk()
	case strings.HasPrefix(payload, "STREAMING-"):
		return notImplemented()
	case payload != hexSHA256(c.wire):
		return fail(400, "XAmzContentSHA256Mismatch", "The provided 'x-amz-content-sha256' header does not match what was computed.")
	}
	return nil
}

// unchunk decodes aws-chunked: lines "size in hex", data, and after an empty chunk the trailers,
// which become headers.
func (c *call) unchunk() error {
	incomplete := fail(400, "IncompleteBody", "The request body terminated unexpectedly")
	var body []byte
	rest := c.wire
	for {
		line, after, ok := bytes.Cut(rest, []byte("\r\n"))
		size, err := strconv.ParseUint(string(line), 16, 31)
		if !ok || err != nil {
			return incomplete
		}
		rest = after
		if size == 0 {
			break
		}
		if uint64(len(rest)) < size+2 {
			return incomplete
		}
		body = append(body, rest[:size]...)
		rest = rest[size+2:]
	}
	if strconv.Itoa(len(body)) != c.header.Get("X-Amz-Decoded-Content-Length") {
		return incomplete
	}
	c.body = body
	announced := c.header.Get("X-Amz-Trailer")
	for line := range bytes.SplitSeq(rest, []byte("\r\n")) {
		if name, value, ok := strings.Cut(string(line), ":"); ok && strings.EqualFold(name, announced) {
			c.header.Set(name, strings.TrimSpace(value))
			announced = ""
		}
	}
	if announced != "" {
		return fail(400, "MalformedTrailerError", "The request contained trailing data that was not well-formed or did not conform to our published schema.")
	}
	return nil
}

// withoutChunked returns a Content-Encoding as it is stored.
func withoutChunked(values []string) string {
	var kept []string
	for part := range strings.SplitSeq(strings.Join(values, ","), ",") {
		if part = strings.TrimSpace(part); part != "aws-chunked" && part != "" {
			kept = append(kept, part)
		}
	}
	return strings.Join(kept, ",")
}

// checksum is a checksum that was sent with an object, and is returned with it.
type checksum struct{ header, value string }

func (s checksum) set(h http.Header) {
	if s.header != "" {
		h.Set(s.header, s.value)
		h.Set("X-Amz-Checksum-Type", "FULL_OBJECT")
	}
}

func wantsChecksum(c *call) bool {
	return strings.EqualFold(c.header.Get("X-Amz-Checksum-Mode"), "ENABLED")
}

// verifyChecksum compares the body with every checksum sent, and returns the one to store.
func (c *call) verifyChecksum() (checksum, error) {
	var kept checksum
	for _, a := range []struct {
		header string
		hash   func() hash.Hash
	}{
		{"X-Amz-Checksum-Crc32", func() hash.Hash { return crc32.NewIEEE() }},
		{"X-Amz-Checksum-Crc32c", func() hash.Hash { return crc32.New(crc32.MakeTable(crc32.Castagnoli)) }},
		{"X-Amz-Checksum-Crc64nvme", func() hash.Hash { return crc64.New(crc64.MakeTable(0x9a6c9329ac4bc9b5)) }},
		{"X-Amz-Checksum-Sha1", sha1.New},
		{"X-Amz-Checksum-Sha256", sha256.New},
		{"Content-Md5", md5.New},
	} {
		sent := c.header.Get(a.header)
		if sent == "" {
			continue
		}
		h := a.hash()
		h.Write(c.body)
		if base64.StdEncoding.EncodeToString(h.Sum(nil)) != sent {
			return checksum{}, fail(400, "BadDigest", "The "+a.header+" you specified did not match the calculated checksum.")
		}
		if a.header != "Content-Md5" {
			kept = checksum{a.header, sent}
		}
	}
	return kept, nil
}
