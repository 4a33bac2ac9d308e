// Package verified remembers, in files of this machine, what the objects of secrets were seen to hold. A reader of an
// index that another program wrote then needs no request for an object that it has read before.
//
// What is remembered is a fact about one state of one object, so it can't become old: in the state with this tag,
// its newest version was this one, and the keyed hash of its value this one. It serves only to find out whether the
// value that an index has is that value. It is no copy of the value, and nothing else is ever concluded from it.
package verified

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"maps"
	"strconv"
	"sync"
	"time"

	"github.com/coffer-secrets/coffer/internal/strictjson"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
)

// Options configure a [Cache].
type Options struct {
	Dir     string        // of the files, one for each service; created with mode 0700
	KeyFile string        // the key of the hashes, not beside them; created with mode 0600
	Place   func() string // everything that tells two stores apart; called once, and only if something is needed
	Now     func() time.Time
}

// Cache is the directory of what is remembered. Several processes may use it at the same time. A nil Cache
// remembers nothing.
type Cache struct {
	o     Options
	place func() string
}

// New returns a cache, or nil if an option is missing. It makes no files.
func New(o Options) *Cache {
	if o.Dir == "" || o.KeyFile == "" {
		return nil
	}
	return &Cache{o, sync.OnceValue(o.Place)}
}

// Fact is what the object of a secret held, besides the value.
type Fact struct {
	Version   int
	Created   time.Time
	CreatedBy string
	Alias     string // that the object records; "" if another program wrote it
}

// Service is what is remembered of one service. Its methods are safe for concurrent use. A nil Service knows nothing.
type Service struct {
	cache *Cache
	name  string

	mu      sync.Mutex
	read    bool
	key     []byte
	known   map[string]factJSON // by the tag of the object
	learned bool
}

// Service returns what is remembered of a service. The file is read when it is needed.
func (c *Cache) Service(name string) *Service {
	if c == nil {
		return nil
	}
	return &Service{cache: c, name: name}
}

// Recall returns the fact about an object in the state that info describes, if its newest version had this value.
func (s *Service) Recall(key string, info bucket.Info, v store.Value) (Fact, bool) {
	if s == nil || info.Tag == "" {
		return Fact{}, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.load()
	f, ok := s.known[string(info.Tag)]
	if !ok || len(s.key) == 0 {
		return Fact{}, false
	}
	sum, err := hex.DecodeString(f.Hash)
	if err != nil || !hmac.Equal(sum, s.hash(key, info, f, v)) {
		return Fact{}, false
	}
	return Fact{Version: f.Version, Created: strictjson.ParseTime(f.Created), CreatedBy: f.CreatedBy, Alias: f.Alias}, true
}

// Remember adds the fact about an object that was read in the state that info describes, with the value of its newest
// version.
func (s *Service) Remember(key string, info bucket.Info, f Fact, v store.Value) {
	if s == nil || info.Tag == "" {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.load()
	if len(s.key) == 0 {
		s.key = s.cache.makeKey()
	}
	if len(s.key) == 0 {
		return
	}
	known := factJSON{Version: f.Version, Created: strictjson.FormatTime(f.Created), CreatedBy: f.CreatedBy, Alias: f.Alias}
	known.Hash = hex.EncodeToString(s.hash(key, info, known, v))
	s.known[string(info.Tag)] = known
	s.learned = true
}

// Save stores what was remembered, and forgets what is about other states than those with the given tags. A failure is
// not reported: the next reader makes more requests then.
func (s *Service) Save(tags func() map[string]bool) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.learned {
		return
	}
	s.learned = false
	current := tags()
	maps.DeleteFunc(s.known, func(tag string, _ factJSON) bool { return !current[tag] })
	if len(s.known) <= maxFacts {
		s.cache.write(s.name, s.known)
	}
}

// hash is HMAC-SHA-256 of everything that is claimed, so that no part of it can be exchanged. The length of each text
// comes before it: no two claims have the same bytes.
func (s *Service) hash(key string, info bucket.Info, f factJSON, v store.Value) []byte {
	mac := hmac.New(sha256.New, s.key)
	for _, text := range []string{
		"verified state of an object, 1", s.cache.place(), s.name, key, string(info.Tag), strconv.FormatInt(info.Size, 10), strictjson.FormatTime(info.Modified),
		strconv.Itoa(f.Version), f.Created, f.CreatedBy, f.Alias, v.Reveal(),
	} {
		mac.Write(binary.BigEndian.AppendUint64(nil, uint64(len(text))))
		mac.Write([]byte(text))
	}
	return mac.Sum(nil)
}

func (s *Service) load() {
	if s.read {
		return
	}
	s.read = true
	s.key = s.cache.readKey()
	s.known = s.cache.readFile(s.name)
}
