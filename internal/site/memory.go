package site

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"time"

	"github.com/coffer-secrets/coffer/internal/app"
)

// trialAge is how long doctor goes by what an init has found out; init never does.
const trialAge = 30 * 24 * time.Hour

// trialFile is what an init has found out of a server that is not AWS's.
type trialFile struct {
	Endpoint string            `json:"endpoint"`
	Bucket   string            `json:"bucket"`
	Tried    time.Time         `json:"tried"`
	LeftOut  map[string]string `json:"left_out"` // by setting: the reason, "" for one that was made
}

func trialPath(a *app.App, s *Site) string {
	base := a.CacheDirectory()
	if base == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(s.Other + "\n" + s.Scope.Bucket))
	return filepath.Join(base, "init-"+hex.EncodeToString(sum[:8])+".json")
}

// saveTrial keeps why settings were left out. Where it cannot, doctor recommends an init that
// leaves them out again.
func saveTrial(a *app.App, s *Site, leftOut map[string]string) {
	path := trialPath(a, s)
	if s.Other == "" || path == "" {
		return
	}
	f := trialFile{Endpoint: s.Other, Bucket: s.Scope.Bucket, Tried: a.Now().UTC(), LeftOut: TrialResults(a, s)}
	if f.LeftOut == nil {
		f.LeftOut = map[string]string{}
	}
	for name, reason := range leftOut {
		f.LeftOut[name] = reason
	}
	text, err := json.Marshal(f)
	if err != nil || os.MkdirAll(filepath.Dir(path), 0o700) != nil {
		return
	}
	_ = os.WriteFile(path, append(text, '\n'), 0o600)
}

// TrialResults are those that an init has tried in the last thirty days: the reason why each was
// left out, "" for one that was made.
func TrialResults(a *app.App, s *Site) map[string]string {
	path := trialPath(a, s)
	if s.Other == "" || path == "" {
		return nil
	}
	if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() { // a FIFO would be waited for
		return nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	var f trialFile
	if json.Unmarshal(text, &f) != nil || f.Endpoint != s.Other || f.Bucket != s.Scope.Bucket {
		return nil
	}
	if age := a.Now().Sub(f.Tried); age > trialAge || age < -time.Hour {
		return nil
	}
	return f.LeftOut
}
