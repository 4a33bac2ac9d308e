// Package trail sorts what CloudTrail tells of KMS into what was opened of a service.
package trail

import (
	"strings"
	"time"

	"github.com/coffer-secrets/coffer/index"
	"github.com/coffer-secrets/coffer/internal/app"
	"github.com/coffer-secrets/coffer/internal/awsconf"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/admin"
)

// What CloudTrail keeps, and what is asked of it.
const (
	Span      = 24 * time.Hour // of --cloudtrail without --since
	Retention = 90 * 24 * time.Hour
	Delay     = 15 * time.Minute
)

// Kind says what was opened.
type Kind string

// The kinds.
const (
	ofSecret Kind = "secret" // the object or parameter of one secret
	OfIndex  Kind = "index"  // the newest values of a service under one alias
	ofShare  Kind = "share"  // a value, through a link
	ofObject Kind = "object" // something else of the service
)

// Opening is one time that KMS was asked to open something of a service.
type Opening struct {
	awsconf.Decrypt
	Kind   Kind
	Object string
	Key    string // of a secret
}

// Opened is all that CloudTrail tells of a service.
type Opened struct {
	Openings []Opening // the latest first

	Bucket    int // events that name the bucket alone
	Nameless  int // refusals that name nothing
	Senseless int // what could not be understood
}

// Take sorts one event in.
func (o *Opened) Take(d awsconf.Decrypt, s *app.Settings, service, key string) {
	if d.Context == nil && d.Error != "" {
		o.Nameless++
		return
	}
	var found Opening
	if !s.Kind().Bucket {
		_, name, _ := strings.Cut(d.Context["PARAMETER_ARN"], ":parameter/")
		found = openedParameter(name, service)
	} else {
		_, name, _ := strings.Cut(d.Context["aws:s3:arn"], ":s3:::")
		if name == s.Bucket.Value {
			o.Bucket++
			return
		}
		name, ok := strings.CutPrefix(name, s.Bucket.Value+"/")
		if !ok {
			return
		}
		found = openedObject(name, service)
	}
	if found.Kind == "" || key != "" && found.Key != "" && !strings.EqualFold(found.Key, key) {
		return
	}
	found.Decrypt = d
	o.Openings = append(o.Openings, found)
}

// openedObject tells what an object is to a service; the zero opening: nothing.
func openedObject(name, service string) Opening {
	if strings.HasPrefix(name, admin.SharePrefix+service+"/") {
		return Opening{Kind: ofShare, Object: name}
	}
	rest, ok := strings.CutPrefix(name, service+"/")
	if !ok || strings.Contains(rest, "/") { // of a service below it
		return Opening{}
	}
	key, isSecret := strings.CutSuffix(rest, store.ObjectSuffix)
	switch {
	case index.Is(rest, false):
		return Opening{Kind: OfIndex, Object: name}
	case isSecret && store.CheckKey(key) == nil:
		return Opening{Kind: ofSecret, Object: name, Key: key}
	}
	return Opening{Kind: ofObject, Object: name}
}

func openedParameter(name, service string) Opening {
	key, ok := strings.CutPrefix(name, service+"/")
	if !ok || store.CheckKey(key) != nil {
		return Opening{}
	}
	return Opening{Kind: ofSecret, Object: "/" + name, Key: key}
}
