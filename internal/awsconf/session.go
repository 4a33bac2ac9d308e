package awsconf

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

const (
	longestAhead = 5 * time.Minute // before its end a session is renewed
	aheadPart    = 10              // of a short one: a tenth of its life
	renewAgain   = 30 * time.Second
)

// session gives the credentials of the SDK's chain, and renews them before they end: a window
// of five minutes, or a tenth of a short session's life. While the old ones are good they stay
// in use when that fails. [renewal] has them renewed by the server's word too.
type session struct {
	source aws.CredentialsProvider // usually an [aws.CredentialsCache], which joins callers that come together
	now    func() time.Time

	// stays has credentials that have ended in use while there are no others, as the SDK does
	// with those of an instance: its metadata may be out of reach, and they good all the same.
	stays bool

	mu      sync.Mutex
	current *generation
	fetches int           // so far
	failure error         // of the last; nil: it went well
	turn    chan struct{} // holds a token while somebody renews
}

// generation is one set of credentials.
type generation struct {
	aws.Credentials
	due    time.Time   // when they are renewed; zero: never
	worked atomic.Bool // the server has taken them

	// believed is set when they were fetched because of a refusal that may have meant the end
	// of the ones before, and met the same: it was a genuine one, and the next are believed.
	believed atomic.Bool
}

func newSession(source aws.CredentialsProvider, now func() time.Time) *session {
	s := &session{source: source, now: now, turn: make(chan struct{}, 1)}
	from := s.ProviderSources()
	s.stays = len(from) > 0 && from[len(from)-1] == aws.CredentialSourceIMDS
	return s
}

// Retrieve implements [aws.CredentialsProvider].
func (s *session) Retrieve(ctx context.Context) (aws.Credentials, error) {
	g, err := s.get(ctx)
	if err != nil {
		return aws.Credentials{}, err
	}
	return g.Credentials, nil
}

// get returns credentials that are not about to end. Of callers that come together one fetches
// them; the others wait only when those at hand have ended.
func (s *session) get(ctx context.Context) (*generation, error) {
	g := s.held()
	if g != nil && !g.isDue(s.now()) {
		return g, nil
	}
	usable, before := g != nil && (s.stays || s.now().Before(g.Expires)), s.fetched()
	if err := s.enter(ctx, usable); err != nil {
		if usable && errors.Is(err, errBusy) {
			return g, nil
		}
		return nil, err
	}
	defer s.leave()
	if now := s.held(); now != g {
		return now, nil
	}
	if err := s.failedSince(before); err != nil {
		return nil, err
	}
	fresh, err := s.fetch(ctx)
	switch {
	case err == nil:
		return fresh, nil
	case usable && ctx.Err() == nil:
		s.postpone(g)
		return g, nil
	}
	return nil, err
}

var errBusy = errors.New("somebody else renews")

// enter waits for the turn to renew; without patience, one who finds it taken is told so.
func (s *session) enter(ctx context.Context, impatient bool) error {
	if impatient {
		select {
		case s.turn <- struct{}{}:
			return nil
		default:
			return errBusy
		}
	}
	select {
	case s.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *session) leave() { <-s.turn }

func (s *session) held() *generation {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.current
}

// fetch asks the chain for new credentials.
func (s *session) fetch(ctx context.Context) (*generation, error) {
	if cache, ok := s.source.(*aws.CredentialsCache); ok && s.held() != nil {
		cache.Invalidate()
	}
	c, err := s.source.Retrieve(ctx)
	if ctx.Err() == nil { // else it tells nothing to others
		s.note(err)
	}
	if err != nil {
		return nil, err
	}
	g := &generation{Credentials: c, due: dueAt(c, s.now())}
	if old := s.held(); old != nil && same(old.Credentials, c) {
		g.worked.Store(old.worked.Load())
		g.believed.Store(old.believed.Load())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.current = g
	return g, nil
}

func (s *session) note(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fetches, s.failure = s.fetches+1, err
}

func (s *session) fetched() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.fetches
}

// failedSince is the failure that somebody else has met meanwhile: of requests that are refused
// together one asks the STS, and not each in its turn.
func (s *session) failedSince(fetches int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fetches > fetches {
		return s.failure
	}
	return nil
}

// dueAt is when credentials that were fetched now are to be renewed. Credentials that have
// ended when they come are of a clock that is wrong, ours or the issuer's: then the server
// tells when they end.
func dueAt(c aws.Credentials, now time.Time) time.Time {
	life := c.Expires.Sub(now)
	if !c.CanExpire || life <= 0 {
		return time.Time{}
	}
	return c.Expires.Add(-min(longestAhead, life/aheadPart))
}

func (g *generation) isDue(now time.Time) bool { return !g.due.IsZero() && !now.Before(g.due) }

// postpone has a renewal that failed tried again, though not by every request.
func (s *session) postpone(g *generation) {
	now := s.now()
	wait := renewAgain
	if left := g.Expires.Sub(now); left > 0 {
		wait = min(wait, left/2)
	}
	later := &generation{Credentials: g.Credentials, due: now.Add(wait)}
	later.worked.Store(g.worked.Load())
	later.believed.Store(g.believed.Load())
	s.mu.Lock()
	defer s.mu.Unlock()
	s.current = later
}

// renew fetches others than the ones that were refused, unless somebody has. It returns nil
// where the chain has no others.
func (s *session) renew(ctx context.Context, used *generation) (*generation, error) {
	before := s.fetched()
	if err := s.enter(ctx, false); err != nil {
		return nil, err
	}
	defer s.leave()
	if now := s.held(); !same(now.Credentials, used.Credentials) {
		return now, nil
	}
	if err := s.failedSince(before); err != nil {
		return nil, err
	}
	fresh, err := s.fetch(ctx)
	if err != nil || same(fresh.Credentials, used.Credentials) {
		return nil, err
	}
	return fresh, nil
}

func same(a, b aws.Credentials) bool {
	return a.AccessKeyID == b.AccessKeyID && a.SecretAccessKey == b.SecretAccessKey && a.SessionToken == b.SessionToken
}

// ProviderSources implements [aws.CredentialProviderSource].
func (s *session) ProviderSources() []aws.CredentialSource {
	if source, ok := s.source.(aws.CredentialProviderSource); ok {
		return source.ProviderSources()
	}
	return nil
}

// IsCredentialsProvider lets the SDK see through to its own provider.
func (s *session) IsCredentialsProvider(target aws.CredentialsProvider) bool {
	return aws.IsCredentialsProvider(s.source, target)
}
