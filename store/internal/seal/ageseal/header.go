package ageseal

import "bytes"

// HeaderSize returns the size of the header of an age file, given its first bytes; 0 if it isn't an
// age file, or its header is longer.
//
// The header tells all states of an object apart: each encryption generates a new file key and a new
// ephemeral share, and the header contains that share, the wrapped file key and a MAC under it. So
// no two files have the same header, even with the same plaintext, and no payload can be decrypted
// with another header than its own.
func HeaderSize(beginning []byte) int {
	if !isAge(beginning) {
		return 0
	}
	// The last line begins with "---", and no other line can (the age specification, "Header").
	mac := bytes.Index(beginning, []byte("\n---"))
	if mac < 0 {
		return 0
	}
	end := bytes.IndexByte(beginning[mac+1:], '\n')
	if end < 0 {
		return 0
	}
	return mac + 1 + end + 1
}

func isAge(beginning []byte) bool {
	return bytes.HasPrefix(beginning, []byte("age-encryption.org/v1\n"))
}
