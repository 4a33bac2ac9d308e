package awsconf

import (
	"context"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// rolesProvider counts how often it is asked for its sources.
type rolesProvider struct{ asked int }

func (*rolesProvider) Retrieve(context.Context) (aws.Credentials, error) {
	return aws.Credentials{}, nil
}

func (p *rolesProvider) ProviderSources() []aws.CredentialSource {
	p.asked++
	return []aws.CredentialSource{aws.CredentialSourceSTSAssumeRole}
}

// TestRequestsDoNotAskTheProviderForItsSources: those of roles write into a slice of others meanwhile.
func TestRequestsDoNotAskTheProviderForItsSources(t *testing.T) {
	p := &rolesProvider{}
	s := newSession(p, time.Now, causes{})
	asked := p.asked
	for range 2 {
		got := s.ProviderSources()
		if len(got) != 1 || got[0] != aws.CredentialSourceSTSAssumeRole {
			t.Errorf("sources %v", got)
		}
		got[0] = aws.CredentialSourceHTTP // a caller's copy is its own
		_ = s.waitForProcess(t.Context())
	}
	if p.asked != asked {
		t.Errorf("asked %d times", p.asked-asked)
	}
}
