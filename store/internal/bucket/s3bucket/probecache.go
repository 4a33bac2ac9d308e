package s3bucket

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"time"
)

const (
	cacheTime = 7 * 24 * time.Hour
	clockSlip = time.Hour // how far in the future a cached probe may lie
)

// cacheFile is the file of this endpoint, bucket and kind of encryption.
func (p *probed) cacheFile() string {
	sum := sha256.Sum256([]byte(p.o.Endpoint + "\n" + p.Bucket.o.Bucket + "\n" + p.Bucket.o.Encryption))
	return filepath.Join(p.o.CacheDir, "probe-"+hex.EncodeToString(sum[:8])+".json")
}

// cached returns what an earlier run has found out; nil where that cannot be used. What
// would refuse a change is asked again: the server may have learned.
func (p *probed) cached() *findings {
	f := p.remembered()
	if f == nil || !f.Conditions && !p.o.SingleWriter {
		return nil
	}
	return f
}

// remembered returns what was found out in the last seven days; nil where nothing was.
func (p *probed) remembered() *findings {
	if p.o.CacheDir == "" || p.o.Now == nil {
		return nil
	}
	body, err := os.ReadFile(p.cacheFile())
	if err != nil {
		return nil
	}
	var f findings
	if json.Unmarshal(body, &f) != nil || f.Endpoint != p.o.Endpoint || f.Bucket != p.Bucket.o.Bucket {
		return nil
	}
	if age := p.o.Now().Sub(f.Checked); age > cacheTime || age < -clockSlip {
		return nil
	}
	return &f
}

// keep remembers what was found out. Where that fails the next run asks again.
func (p *probed) keep(f *findings) {
	if p.o.CacheDir == "" || p.o.Now == nil || f.unknown {
		return
	}
	body, err := json.Marshal(f)
	if err != nil || os.MkdirAll(p.o.CacheDir, 0o700) != nil {
		return
	}
	_ = os.WriteFile(p.cacheFile(), append(body, '\n'), 0o600)
}
