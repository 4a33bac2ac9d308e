package teamseal

import (
	"bytes"
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"io"

	"filippo.io/age"
	"golang.org/x/crypto/chacha20poly1305"
)

const (
	payloadNonce = 16
	chunkSize    = 64 << 10
)

// decrypt returns the content of an age file, as [age.Decrypt] would. That allocates buffers of 128 KiB
// for each file, whose garbage costs four times the CPU of all else for a secret of 100 bytes (age 1.3.2,
// BenchmarkSeal). So a payload of one chunk is opened here, as https://c2sp.org/age has it:
// ChaCha20-Poly1305 with the number of the chunk, 0, and the mark of the last one as nonce.
// TestOpenAgreesWithAge and FuzzOpen compare the two.
func decrypt(file []byte, id age.Identity) ([]byte, error) {
	header, payload, ok := split(file)
	if !ok || len(payload) > payloadNonce+chunkSize+chacha20poly1305.Overhead {
		r, err := age.Decrypt(bytes.NewReader(file), id)
		if err != nil {
			return nil, err
		}
		return io.ReadAll(r)
	}
	fileKey, err := age.DecryptHeader(header, id)
	if err != nil {
		return nil, err
	}
	if len(payload) < payloadNonce {
		return nil, io.ErrUnexpectedEOF
	}
	key, err := hkdf.Key(sha256.New, fileKey, payload[:payloadNonce], "payload", chacha20poly1305.KeySize)
	if err != nil {
		return nil, err
	}
	aead, err := chacha20poly1305.New(key)
	if err != nil {
		return nil, err
	}
	last := [chacha20poly1305.NonceSize]byte{chacha20poly1305.NonceSize - 1: 1}
	body, err := aead.Open(nil, last[:], payload[payloadNonce:], nil)
	if err != nil {
		return nil, errors.New("the payload was changed, or is incomplete")
	}
	return body, nil
}

// split returns the header of an age file, with its MAC, and the payload. Only the last line of a header
// begins with "---".
func split(file []byte) (header, payload []byte, ok bool) {
	end := bytes.Index(file, []byte("\n---"))
	if end < 0 {
		return nil, nil, false
	}
	line := bytes.IndexByte(file[end+1:], '\n')
	if line < 0 {
		return nil, nil, false
	}
	end += 1 + line + 1
	return file[:end], file[end:], true
}
