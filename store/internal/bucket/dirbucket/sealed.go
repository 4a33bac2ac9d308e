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

// openSealed opens the file of an object. A directory is not an object.
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

// readAll returns the state and the encrypted bytes.
func (f *sealedFile) readAll() (bucket.Info, []byte, error) {
	data, err := io.ReadAll(f)
	if err != nil {
		return bucket.Info{}, nil, err
	}
	return f.info(tagOfFile(data)), data, nil
}

// readHeader returns the state and the age header, which is nil if the file has none.
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

// tagOfHeader computes the tag from only the header of an age file. That is exact: each encryption
// generates a new file key and a new ephemeral share, and the header contains that share, the
// wrapped file key and a MAC under it. So no two files have the same header, even with the same
// plaintext, and no payload can be decrypted with another header than its own. A listing reads
// only some 200 bytes of each file, however large it is.
func tagOfHeader(header []byte) bucket.Tag {
	sum := sha256.Sum256(header)
	return bucket.Tag(hex.EncodeToString(sum[:16]))
}

// tagOfFile is tagOfHeader for a whole file. If it is not an age file, the tag depends on all its
// bytes.
func tagOfFile(data []byte) bucket.Tag {
	header, err := age.ExtractHeader(bytes.NewReader(data))
	if err != nil {
		return tagOfHeader(data)
	}
	return tagOfHeader(header)
}

// shut closes a file that was only read, or whose close cannot lose data.
func shut(c io.Closer) { _ = c.Close() }
