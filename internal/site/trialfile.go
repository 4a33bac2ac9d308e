package site

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"time"

	"github.com/coffer-secrets/coffer/internal/app"
	"github.com/coffer-secrets/coffer/internal/plainfile"
)

// trialAge is how long doctor uses the results of an init. init always tries again.
const trialAge = 30 * 24 * time.Hour

// maxTrialSize is more bytes than a file of results has.
const maxTrialSize = 64 << 10

// trialFile is the file with the results of init's trials on a server other than AWS.
type trialFile struct {
	Endpoint string            `json:"endpoint"`
	Bucket   string            `json:"bucket"`
	Tried    time.Time         `json:"tried"`
	LeftOut  map[string]string `json:"left_out"` // setting -> why it was left out; "" if it was made
}

// trialPath returns the path of the file for this server and bucket; "" if there is no home directory.
func trialPath(a *app.App, s *Site) string {
	base := a.CacheDirectory()
	if base == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(s.Other + "\n" + s.Scope.Bucket))
	return filepath.Join(base, "init-"+hex.EncodeToString(sum[:8])+".json")
}

// saveTrial saves why settings were left out. It ignores errors: without the file, doctor recommends
// an init, which would leave the settings out again.
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

// TrialResults returns the settings that init has tried in the last 30 days on a server other than
// AWS, each with the reason why it was left out; "" if it was made. It is nil if there was no trial.
func TrialResults(a *app.App, s *Site) map[string]string {
	path := trialPath(a, s)
	if s.Other == "" || path == "" {
		return nil
	}
	text, err := plainfile.Read(path, maxTrialSize)
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
