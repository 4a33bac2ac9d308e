package awsconf

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/coffer-secrets/coffer/internal/pace"
	"github.com/coffer-secrets/coffer/internal/waiting"
)

const (
	longestAhead = 5 * time.Minute // before its end a session is renewed
	aheadPart    = 10              // for a short session: a tenth of its life
	renewAgain   = 30 * time.Second
	tornPause    = 200 * time.Millisecond // until a file that was read half-way is whole
)

// session provides the credentials of the SDK's chain, and renews them before they expire: five
// minutes before, or a tenth of a short session's life. If the renewal fails, the old credentials
// stay in use until they expire. [renewal] also renews them when the server refuses them.
type session struct {
	source aws.CredentialsProvider // usually an [aws.CredentialsCache], which joins concurrent callers
	now    func() time.Time
	tell   func(secrets ...string) // of fetched credentials; nil: nobody wants to know

	causes causes // of failures of the source

	// stays keeps expired credentials in use if there are no others, as the SDK does with an
	// instance's: the metadata may be unreachable while the credentials still work.
	stays bool

	mu      sync.Mutex
	current *generation
	fetches int           // number of fetches so far
	failure error         // of the last fetch; nil: it succeeded
	turn    chan struct{} // holds a token during a renewal

	from []aws.CredentialSource // asked for once: see [sourcesOf]
}

// generation is one set of credentials.
type generation struct {
	aws.Credentials
	due    time.Time   // when to renew; zero: never
	worked atomic.Bool // the server has accepted them

	// believed is set if these credentials were fetched because of a refusal that may have meant
	// an expired session, and were refused in the same way. The refusal was genuine, and later
	// ones are accepted as such.
	believed atomic.Bool
}

func newSession(source aws.CredentialsProvider, now func() time.Time, causes causes) *session {
	from := sourcesOf(source)
	return &session{
		source: source, now: now, causes: causes, turn: make(chan struct{}, 1), from: from,
		stays: len(from) > 0 && from[len(from)-1] == aws.CredentialSourceIMDS,
	}
}

// Retrieve implements [aws.CredentialsProvider].
func (s *session) Retrieve(ctx context.Context) (aws.Credentials, error) {
	g, err := s.get(ctx)
	if err != nil {
		return aws.Credentials{}, err
	}
	return g.Credentials, nil
}

// get returns credentials that aren't about to expire. Of concurrent callers one fetches them. The
// others wait only if the current ones have expired.
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

var errBusy = errors.New("another process is renewing the session")

// enter waits for the turn to renew. If impatient and another caller is renewing, it returns
// errBusy at once.
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

// fetch gets new credentials from the chain.
func (s *session) fetch(ctx context.Context) (*generation, error) {
	if cache, ok := s.source.(*aws.CredentialsCache); ok && s.held() != nil {
		cache.Invalidate()
	}
	wait := s.waitForProcess(ctx)
	c, err := s.source.Retrieve(ctx)
	if err != nil && s.causes.tornFile(err) {
		_ = pace.Sleep(ctx, pace.Jitter(tornPause))
		c, err = s.source.Retrieve(ctx)
	}
	wait.End(waiting.Failed)
	err = s.causes.explain(ctx, err)
	if ctx.Err() == nil { // a cancelled fetch says nothing about the source
		s.note(err)
	}
	if err != nil {
		return nil, err
	}
	if s.tell != nil {
		s.tell(c.SecretAccessKey, c.SessionToken)
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

// waitForProcess reports a credential process, which unlike all other sources makes no request. It
// returns nil for those.
func (s *session) waitForProcess(ctx context.Context) *waiting.Wait {
	for _, from := range s.ProviderSources() {
		if from == aws.CredentialSourceProcess || from == aws.CredentialSourceProfileProcess {
			wait := waiting.Begin(ctx, "credentials")
			wait.Attempt("credential_process", 1, 0)
			return wait
		}
	}
	return nil
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

// failedSince returns the error of a fetch that another caller made meanwhile. When several
// requests are refused together, only one asks the STS.
func (s *session) failedSince(fetches int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fetches > fetches {
		return s.failure
	}
	return nil
}

// dueAt returns when credentials that were just fetched must be renewed. If they have already
// expired, our clock or the issuer's is wrong: they are then renewed only when the server refuses
// them.
func dueAt(c aws.Credentials, now time.Time) time.Time {
	life := c.Expires.Sub(now)
	if !c.CanExpire || life <= 0 {
		return time.Time{}
	}
	return c.Expires.Add(-min(longestAhead, life/aheadPart))
}

func (g *generation) isDue(now time.Time) bool { return !g.due.IsZero() && !now.Before(g.due) }

// postpone delays the next attempt after a failed renewal, so that not every request tries again.
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

// renew fetches new credentials in place of refused ones, unless another caller already has. It
// returns nil if the chain has no others.
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

// ProviderSources implements [aws.CredentialProviderSource]. The SDK's clients ask at each request.
func (s *session) ProviderSources() []aws.CredentialSource { return slices.Clone(s.from) }

// sourcesOf returns where a provider's credentials come from, or nil if it doesn't say. Nobody may ask
// the SDK's providers of roles while others use them (credentials v1.21.0): they append to a slice that
// they share with the provider of the credentials that assume the role.
func sourcesOf(p aws.CredentialsProvider) []aws.CredentialSource {
	if from, ok := p.(aws.CredentialProviderSource); ok {
		return slices.Clone(from.ProviderSources())
	}
	return nil
}

// IsCredentialsProvider lets the SDK recognise its own provider within the session.
func (s *session) IsCredentialsProvider(target aws.CredentialsProvider) bool {
	return aws.IsCredentialsProvider(s.source, target)
}
