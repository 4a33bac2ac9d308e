package s3bucket

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"time"
)

const (
	cacheTime = 7 * 24 * time.Hour
	clockSlip = time.Hour // how far in the future the time of a stored probe can be
)

// cacheName returns the name of the file for this endpoint, bucket and kind of encryption.
func (p *probed) cacheName() string {
	sum := sha256.Sum256([]byte(p.o.Endpoint + "\n" + p.Bucket.o.Bucket + "\n" + p.Bucket.o.Encryption))
	return "probe-" + hex.EncodeToString(sum[:8]) + ".json"
}

// caches returns the directories that can contain a verdict, the preferred one first.
func (p *probed) caches() []cache {
	var all []cache
	if p.o.CacheDir != "" {
		all = append(all, cache{dir: p.o.CacheDir})
	}
	if p.o.PrivateDir != "" {
		all = append(all, cache{dir: p.o.PrivateDir, private: true})
	}
	return all
}

// cached returns the stored result of an earlier run, or nil if it cannot be used. A result that
// would refuse a change is not used: the server may have been updated.
func (p *probed) cached() *findings {
	p.mu.Lock()
	doubted, hasVersions := p.recheck, p.hasVersions
	p.mu.Unlock()
	if doubted {
		return nil
	}
	f := p.remembered()
	if f == nil || !f.Conditions && !p.o.SingleWriter || hasVersions && !f.fits(enabled) {
		return nil
	}
	return f
}

// remembered returns the result stored in the last seven days, or nil.
func (p *probed) remembered() *findings {
	if p.o.Now == nil {
		return nil
	}
	for _, c := range p.caches() {
		body, err := c.read(p.cacheName())
		if err != nil {
			continue
		}
		var f findings
		if json.Unmarshal(body, &f) != nil || f.Endpoint != p.o.Endpoint || f.Bucket != p.Bucket.o.Bucket {
			continue
		}
		if age := p.o.Now().Sub(f.Checked); age > cacheTime || age < -clockSlip {
			continue
		}
		return &f
	}
	return nil
}

// keep stores a result in the first directory that can be written.
func (p *probed) keep(f *findings) {
	if p.o.Now == nil || f.unknown {
		return
	}
	body, err := json.Marshal(f)
	if err != nil {
		return
	}
	caches := p.caches()
	for i, c := range caches {
		if c.write(p.cacheName(), append(body, '\n')) == nil {
			for _, other := range caches[:i] { // an older result there would be read first
				_ = other.remove(p.cacheName())
			}
			return
		}
	}
	if len(caches) > 0 {
		p.unkept.Do(func() {
			p.o.Notice("can't remember in " + caches[len(caches)-1].dir +
				" what this server supports, so it is tested again before every change: set XDG_CACHE_HOME to a writable directory")
		})
	}
}

// forget removes the stored results.
func (p *probed) forget() {
	for _, c := range p.caches() {
		_ = c.remove(p.cacheName())
	}
}

// cache is a directory for files that can be created again.
type cache struct {
	dir     string
	private bool // its parent is writable by others, so it must belong to this user alone
}

var errNotOurs = errors.New("other users can access the directory")

// open opens the directory. It checks a private one through the open handle, so that no other user
// can replace it after the check.
func (c cache) open() (*os.Root, error) {
	root, err := os.OpenRoot(c.dir)
	if err != nil || !c.private {
		return root, err
	}
	named, err := os.Lstat(c.dir)
	var opened os.FileInfo
	if err == nil {
		opened, err = root.Stat(".")
	}
	if err == nil && (!named.IsDir() || !os.SameFile(named, opened) || !ours(opened)) {
		err = errNotOurs
	}
	if err != nil {
		_ = root.Close()
		return nil, err
	}
	return root, nil
}

func (c cache) read(name string) ([]byte, error) {
	root, err := c.open()
	if err != nil {
		return nil, err
	}
	defer func() { _ = root.Close() }()
	look := root.Stat
	if c.private {
		look = root.Lstat
	}
	info, err := look(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || c.private && !ours(info) { // reading a FIFO would block forever
		return nil, errNotOurs
	}
	return root.ReadFile(name)
}

// write replaces the file atomically: a concurrent reader gets the old or the new content.
func (c cache) write(name string, body []byte) error {
	if err := os.MkdirAll(c.dir, 0o700); err != nil {
		return err
	}
	root, err := c.open()
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	temporary := "." + name + "." + rand.Text()
	f, err := root.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(body)
	if err = errors.Join(err, f.Close()); err == nil {
		err = root.Rename(temporary, name)
	}
	if err != nil {
		_ = root.Remove(temporary)
	}
	return err
}

func (c cache) remove(name string) error {
	root, err := c.open()
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	return root.Remove(name)
}
