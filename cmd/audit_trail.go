package cmd

import (
	"strings"
	"time"

	"github.com/coffer-secrets/coffer/index"
	"github.com/coffer-secrets/coffer/internal/app"
	"github.com/coffer-secrets/coffer/internal/awsconf"
	"github.com/coffer-secrets/coffer/store"
)

const (
	trailSpan = 24 * time.Hour // of --cloudtrail without --since
	trailKept = 90 * 24 * time.Hour
	trailLag  = 15 * time.Minute
)

// kind says what was opened.
type kind string

const (
	ofSecret kind = "secret" // the object or parameter of one secret
	ofIndex  kind = "index"  // the newest values of a service under one alias
	ofShare  kind = "share"  // a value, through a link
	ofObject kind = "object" // something else of the service
)

// opening is one time that KMS was asked to open something of a service.
type opening struct {
	awsconf.Decrypt
	kind   kind
	object string
	key    string // of a secret
}

// opened is all that CloudTrail tells of a service.
type opened struct {
	openings []opening // the latest first

	bucket    int // events that name the bucket alone
	nameless  int // refusals that name nothing
	senseless int // what could not be understood
}

// take sorts one event in.
func (o *opened) take(d awsconf.Decrypt, s *app.Settings, service, key string) {
	if d.Context == nil && d.Error != "" {
		o.nameless++
		return
	}
	var found opening
	if s.Backend.Value == "ssm" {
		_, name, _ := strings.Cut(d.Context["PARAMETER_ARN"], ":parameter/")
		found = openedParameter(name, service)
	} else {
		_, name, _ := strings.Cut(d.Context["aws:s3:arn"], ":s3:::")
		if name == s.Bucket.Value {
			o.bucket++
			return
		}
		name, ok := strings.CutPrefix(name, s.Bucket.Value+"/")
		if !ok {
			return
		}
		found = openedObject(name, service)
	}
	if found.kind == "" || key != "" && found.key != "" && !strings.EqualFold(found.key, key) {
		return
	}
	found.Decrypt = d
	o.openings = append(o.openings, found)
}

// openedObject tells what an object is to a service; the zero opening: nothing.
func openedObject(name, service string) opening {
	if strings.HasPrefix(name, shareRoot+service+"/") {
		return opening{kind: ofShare, object: name}
	}
	rest, ok := strings.CutPrefix(name, service+"/")
	if !ok || strings.Contains(rest, "/") { // of a service below it
		return opening{}
	}
	key, isSecret := strings.CutSuffix(rest, ".json")
	switch {
	case index.Is(rest, false):
		return opening{kind: ofIndex, object: name}
	case isSecret && store.CheckKey(key) == nil:
		return opening{kind: ofSecret, object: name, key: key}
	}
	return opening{kind: ofObject, object: name}
}

func openedParameter(name, service string) opening {
	key, ok := strings.CutPrefix(name, service+"/")
	if !ok || store.CheckKey(key) != nil {
		return opening{}
	}
	return opening{kind: ofSecret, object: "/" + name, key: key}
}
