package dirbucket

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"syscall"

	"filippo.io/age"

	"github.com/coffer-secrets/coffer/store/internal/bucket"
)

// sealedFile is the open file of an object.
type sealedFile struct {
	*os.File
	stat fs.FileInfo
}

// openSealed opens the file of an object. A directory of that name is no object.
func openSealed(root *os.Root, file string) (*sealedFile, error) {
	f, err := root.Open(file)
	if err != nil {
		return nil, err
	}
	stat, err := f.Stat()
	if err == nil && stat.IsDir() {
		err = fs.ErrNotExist
	}
	if err != nil {
		shut(f)
		return nil, err
	}
	return &sealedFile{f, stat}, nil
}

// readAll returns the state and the bytes as stored.
func (f *sealedFile) readAll() (bucket.Info, []byte, error) {
	data, err := io.ReadAll(f)
	if err != nil {
		return bucket.Info{}, nil, err
	}
	return f.info(tagOfFile(data)), data, nil
}

// readHeader returns the state and the age header; nil when the file has none.
func (f *sealedFile) readHeader() (bucket.Info, []byte, error) {
	header, err := age.ExtractHeader(f)
	if err == nil {
		return f.info(tagOfHeader(header)), header, nil
	}
	if errno := syscall.Errno(0); errors.As(err, &errno) {
		return bucket.Info{}, nil, err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return bucket.Info{}, nil, err
	}
	info, _, err := f.readAll()
	return info, nil, err
}

func (f *sealedFile) info(tag bucket.Tag) bucket.Info {
	return bucket.Info{Tag: tag, Modified: f.stat.ModTime().UTC(), Size: f.stat.Size()}
}

// tagOfHeader makes the tag from the header of an age file alone. That is exact: each
// sealing draws a new file key and a new ephemeral share, and the header holds that share,
// the wrapped file key and a MAC under it, so two sealings never have the same header, even
// of the same bytes; and a payload opens under no other header than its own. A listing then
// has to read some 200 bytes of each file, however large it is.
func tagOfHeader(header []byte) bucket.Tag {
	sum := sha256.Sum256(header)
	return bucket.Tag(hex.EncodeToString(sum[:16]))
}

// tagOfFile is tagOfHeader for a whole file. One that is no age file counts with all of its
// bytes.
func tagOfFile(data []byte) bucket.Tag {
	header, err := age.ExtractHeader(bytes.NewReader(data))
	if err != nil {
		return tagOfHeader(data)
	}
	return tagOfHeader(header)
}

// shut closes what was only read, or whose close can lose nothing.
func shut(c io.Closer) { _ = c.Close() }
