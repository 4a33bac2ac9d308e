package s3test

import (
	"fmt"
	"maps"
	"sync"
	"sync/atomic"
	"time"
)

// Principal is somebody with credentials.
type Principal struct {
	Name         string // of the user, or with a session token of the role; default: the access key id
	AccessKeyID  string
	SecretKey    string
	SessionToken string    // must then be sent and signed with each request
	Expires      time.Time // of the session; zero: never
	Policy       Policy
}

// identity is a principal who has been recognised, or can be.
type identity struct {
	Principal
	arn    string
	userID string
	role   string // the role whose policy holds for this session
	uses   *atomic.Int64
}

// iam keeps principals and roles.
type iam struct {
	account string

	mu     sync.RWMutex
	people map[string]*identity // by access key id; an identity is never changed in place
	roles  map[string]Policy
	made   int // sessions, so far
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

// policy gives what holds for somebody now, and not when the request began.
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

// change replaces an identity by a changed copy. It panics when there is none.
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

// assume opens a session of a role; nil when there is no such role.
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

// AddPrincipal makes credentials valid, and replaces those with the same access key id.
func (s *Server) AddPrincipal(p Principal) { s.iam.add(p) }

// RemovePrincipal makes credentials unknown: 403 InvalidAccessKeyId.
func (s *Server) RemovePrincipal(accessKeyID string) {
	s.iam.mu.Lock()
	defer s.iam.mu.Unlock()
	delete(s.iam.people, accessKeyID)
}

// SetPolicy changes what the holder of an access key id may do, from the next request on.
func (s *Server) SetPolicy(accessKeyID string, p Policy) {
	s.iam.change(accessKeyID, func(who *identity) { who.Policy = p })
}

// SetExpiry changes when a session ends; a time that has passed ends it now.
func (s *Server) SetExpiry(accessKeyID string, t time.Time) {
	s.iam.change(accessKeyID, func(who *identity) { who.Expires = t })
}

// SetRole makes a role that everybody may assume, or changes its policy, also for the sessions it has. It gives the role's ARN.
func (s *Server) SetRole(name string, p Policy) string {
	s.iam.mu.Lock()
	defer s.iam.mu.Unlock()
	s.iam.roles[name] = p
	return roleARN(s.opts.Account, name)
}

// Sessions gives the access key ids of all sessions that were opened with AssumeRole, and when each ends.
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
