package dirbucket

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"

	"github.com/coffer-secrets/coffer/store/internal/bucket"
)

// beginning is how many bytes of a file are read first, to tell its state.
const beginning = 2048

// objectFile is the open file of an object.
type objectFile struct {
	*os.File
	stat fs.FileInfo
}

// openObject opens the file of an object. A directory is not an object.
func openObject(root *os.Root, file string) (*objectFile, error) {
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
	return &objectFile{f, stat}, nil
}

// all returns the content.
func (f *objectFile) all() ([]byte, error) {
	data := make([]byte, 0, f.stat.Size()+1) // one more, to see the end
	for {
		n, err := f.Read(data[len(data):cap(data)])
		data = data[:len(data)+n]
		switch {
		case errors.Is(err, io.EOF):
			return data, nil
		case err != nil:
			return nil, err
		}
		if len(data) == cap(data) { // it is not the file that was there a moment ago
			data = append(data, 0)[:len(data)]
		}
	}
}

func (f *objectFile) info(name string, tag bucket.Tag) bucket.Info {
	return bucket.Info{Name: name, Tag: tag, Modified: f.stat.ModTime().UTC(), Size: f.stat.Size()}
}

// state returns the tag of a file and its first bytes, as many as buffer holds or all. buffer has
// space for [beginning] at least.
func (b *Bucket) state(f *objectFile, buffer []byte) (bucket.Tag, []byte, error) {
	n, err := io.ReadFull(f, buffer)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return "", nil, err
	}
	whole, data := err != nil, buffer[:n]
	if size := b.o.StateSize(data); size > 0 {
		return tag(data[:size]), data, nil
	} else if whole {
		return tag(data), data, nil
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return "", nil, err
	}
	if data, err = f.all(); err != nil {
		return "", nil, err
	}
	return b.tagOf(data), data, nil
}

// tagOf returns the tag of a file with this content.
func (b *Bucket) tagOf(content []byte) bucket.Tag {
	if size := b.o.StateSize(content); size > 0 {
		content = content[:size]
	}
	return tag(content)
}

func tag(data []byte) bucket.Tag {
	sum := sha256.Sum256(data)
	return bucket.Tag(hex.EncodeToString(sum[:16]))
}

// shut closes a file that was only read, or whose close cannot lose data.
func shut(c io.Closer) { _ = c.Close() }
