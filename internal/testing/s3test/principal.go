package s3test

import (
	"fmt"
	"maps"
	"sync"
	"sync/atomic"
	"time"
)

// Principal is a user or a session with credentials.
type Principal struct {
	Name         string // of the user, or with a session token of the role; default: the access key id
	AccessKeyID  string
	SecretKey    string
	SessionToken string    // if set, it must be sent and signed with each request
	Expires      time.Time // when the session ends; zero: never
	Policy       Policy
}

// identity is a principal with its ARN and the number of its requests.
type identity struct {
	Principal
	arn    string
	userID string
	role   string // the role whose policy applies to this session
	uses   *atomic.Int64
}

// iam stores principals and roles.
type iam struct {
	account string

	mu     sync.RWMutex
	people map[string]*identity // by access key id; an identity is never changed in place
	roles  map[string]Policy
	made   int // number of sessions created so far
}

func newIAM(o Options) *iam {
	i := &iam{account: o.Account, people: map[string]*identity{}, roles: map[string]Policy{}}
	i.add(Principal{Name: "admin", AccessKeyID: AdminKeyID, SecretKey: AdminSecret})
	for _, p := range o.Principals {
		i.add(p)
	}
	return i
}

func (i *iam) add(p Principal) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if p.Name == "" {
		p.Name = p.AccessKeyID
	}
	who := &identity{Principal: p, arn: fmt.Sprintf("arn:aws:iam::%s:user/%s", i.account, p.Name), userID: "AIDA" + p.AccessKeyID}
	if p.SessionToken != "" {
		who.arn = fmt.Sprintf("arn:aws:sts::%s:assumed-role/%s/session", i.account, p.Name)
		who.userID = "AROA" + p.Name + ":session"
	}
	i.people[p.AccessKeyID] = who
}

func (i *iam) find(accessKeyID string) *identity {
	i.mu.RLock()
	defer i.mu.RUnlock()
	return i.people[accessKeyID]
}

// policy returns the current policy of a caller, not that from when the request began.
func (i *iam) policy(who *identity) Policy {
	i.mu.RLock()
	defer i.mu.RUnlock()
	if who.role != "" {
		return i.roles[who.role]
	}
	if now := i.people[who.AccessKeyID]; now != nil {
		return now.Policy
	}
	return who.Policy
}

// change replaces an identity with a changed copy. It panics if there is none.
func (i *iam) change(accessKeyID string, edit func(*identity)) {
	i.mu.Lock()
	defer i.mu.Unlock()
	old := i.people[accessKeyID]
	if old == nil {
		panic("no principal has the access key id " + accessKeyID)
	}
	changed := *old
	edit(&changed)
	i.people[accessKeyID] = &changed
}

// assume creates a session of a role. It returns nil if there is no such role.
func (i *iam) assume(role, session string, expires time.Time) *identity {
	i.mu.Lock()
	defer i.mu.Unlock()
	if _, ok := i.roles[role]; !ok {
		return nil
	}
	i.made++
	who := &identity{
		Principal: Principal{
			Name:         role,
			AccessKeyID:  fmt.Sprintf("ASIAS3TEST%010d", i.made),
			SecretKey:    fmt.Sprintf("s3test-session-secret-%d", i.made),
			SessionToken: fmt.Sprintf("s3test-session-token-%d", i.made),
			Expires:      expires,
		},
		arn:    fmt.Sprintf("arn:aws:sts::%s:assumed-role/%s/%s", i.account, role, session),
		userID: "AROA" + role + ":" + session,
		role:   role,
		uses:   &atomic.Int64{},
	}
	i.people[who.AccessKeyID] = who
	return who
}

// AddPrincipal makes credentials valid. They replace those with the same access key id.
func (s *Server) AddPrincipal(p Principal) { s.iam.add(p) }

// RemovePrincipal makes credentials invalid: 403 InvalidAccessKeyId.
func (s *Server) RemovePrincipal(accessKeyID string) {
	s.iam.mu.Lock()
	defer s.iam.mu.Unlock()
	delete(s.iam.people, accessKeyID)
}

// SetPolicy changes the policy of an access key id, from the next request on.
func (s *Server) SetPolicy(accessKeyID string, p Policy) {
	s.iam.change(accessKeyID, func(who *identity) { who.Policy = p })
}

// SetExpiry changes when a session ends. A time in the past ends it now.
func (s *Server) SetExpiry(accessKeyID string, t time.Time) {
	s.iam.change(accessKeyID, func(who *identity) { who.Expires = t })
}

// SetRole creates a role that everyone may assume, or changes its policy, also for existing
// sessions. It returns the role's ARN.
func (s *Server) SetRole(name string, p Policy) string {
	s.iam.mu.Lock()
	defer s.iam.mu.Unlock()
	s.iam.roles[name] = p
	return roleARN(s.opts.Account, name)
}

// Sessions returns the access key ids of all sessions created with AssumeRole, and when each ends.
func (s *Server) Sessions() map[string]time.Time {
	s.iam.mu.RLock()
	defer s.iam.mu.RUnlock()
	open := map[string]time.Time{}
	for id, who := range maps.All(s.iam.people) {
		if who.role != "" {
			open[id] = who.Expires
		}
	}
	return open
}

func roleARN(account, name string) string { return "arn:aws:iam::" + account + ":role/" + name }
