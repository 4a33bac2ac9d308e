// Package trail finds the reads of a service in CloudTrail's events of KMS.
package trail

import (
	"slices"
	"strings"
	"time"

	"github.com/coffer-secrets/coffer/index"
	"github.com/coffer-secrets/coffer/internal/app"
	"github.com/coffer-secrets/coffer/internal/awsconf"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/admin"
)

// Times of CloudTrail's event history.
const (
	Span      = 24 * time.Hour      // the default of --since
	Retention = 90 * 24 * time.Hour // how long events are kept
	Delay     = 15 * time.Minute    // until an event can be found
)

// Kind is the kind of object that was decrypted.
type Kind string

// The kinds.
const (
	ofSecret Kind = "secret" // the object or parameter of one secret
	OfIndex  Kind = "index"  // the newest values of a service under one alias
	ofShare  Kind = "share"  // a value, through a link
	ofObject Kind = "object" // another object of the service
)

// Access is one decryption of an object of a service, or a denied attempt.
type Access struct {
	awsconf.Decrypt
	Kind    Kind
	Service string // as it is stored
	Object  string
	Key     string // the key of the secret; "" for other objects
}

// Log is what CloudTrail has about a service.
type Log struct {
	Accesses []Access // the latest first

	BucketOnly int // events that name only the bucket
	Unnamed    int // denied attempts that name no object
	Unparsed   int // events that could not be parsed
}

// Add adds an event, if it is about the service, in any case, and, unless key is "", about the key or an
// object that may contain it.
func (o *Log) Add(d awsconf.Decrypt, s *app.Settings, service, key string) {
	if d.Context == nil && d.Error != "" {
		o.Unnamed++
		return
	}
	var found Access
	switch {
	case !s.Kind().Bucket:
		_, name, _ := strings.Cut(d.Context["PARAMETER_ARN"], ":parameter/")
		found = accessToParameter(name, service)
	case s.Kind().Sealed:
		found = accessToObject(sealedObject(d.Context), service)
	default:
		_, name, _ := strings.Cut(d.Context["aws:s3:arn"], ":s3:::")
		if name == s.Bucket.Value {
			o.BucketOnly++
			return
		}
		name, ok := strings.CutPrefix(name, s.Bucket.Value+"/")
		if !ok {
			return
		}
		found = accessToObject(name, service)
	}
	if found.Kind == "" || key != "" && found.Key != "" && !strings.EqualFold(found.Key, key) {
		return
	}
	found.Decrypt = d
	o.Accesses = append(o.Accesses, found)
}

// Select keeps the accesses to the service that a name means, as in every command: exactly that name, or
// else the only one that differs just in case. It returns the service. Two such services are an error.
func (o *Log) Select(name string) (service string, err error) {
	var services []string
	for _, a := range o.Accesses {
		if !slices.Contains(services, a.Service) {
			services = append(services, a.Service)
		}
	}
	switch {
	case len(services) == 0, slices.Contains(services, name):
		service = name
	case len(services) == 1:
		service = services[0]
	default:
		return "", app.AmbiguousService(name, services)
	}
	o.Accesses = slices.DeleteFunc(o.Accesses, func(a Access) bool { return a.Service != service })
	return service, nil
}

// below returns the service at the beginning of an object's name, and the rest of that.
func below(name, service string) (stored, rest string, ok bool) {
	n := len(service)
	if len(name) <= n || name[n] != '/' || !strings.EqualFold(name[:n], service) {
		return "", "", false
	}
	return name[:n], name[n+1:], true
}

// accessToObject returns the access to an object; the zero Access if it isn't one of the service.
func accessToObject(name, service string) Access {
	if shared, isShare := strings.CutPrefix(name, admin.SharePrefix); isShare {
		if stored, _, ok := below(shared, service); ok {
			return Access{Kind: ofShare, Service: stored, Object: name}
		}
	}
	stored, rest, ok := below(name, service)
	if !ok || strings.Contains(rest, "/") { // an object of another service, such as service/worker
		return Access{}
	}
	key, isSecret := strings.CutSuffix(rest, store.ObjectSuffix)
	switch {
	case index.Is(rest, false):
		return Access{Kind: OfIndex, Service: stored, Object: name}
	case isSecret && store.CheckKey(key) == nil:
		return Access{Kind: ofSecret, Service: stored, Object: name, Key: key}
	}
	return Access{Kind: ofObject, Service: stored, Object: name}
}

// sealedObject returns the name of the object that an encryption context of ours is of; "" for any other.
func sealedObject(context map[string]string) string {
	service, key := context[admin.ContextService], context[admin.ContextKey]
	switch {
	case service == "" || key == "":
		return ""
	case key == admin.ContextIndexKey:
		return service + "/" + context[admin.ContextIndex]
	}
	return store.ID{Service: service, Key: key}.Object()
}

// accessToParameter is [accessToObject] for Parameter Store.
func accessToParameter(name, service string) Access {
	stored, key, ok := below(name, service)
	if !ok || store.CheckKey(key) != nil {
		return Access{}
	}
	return Access{Kind: ofSecret, Service: stored, Object: "/" + name, Key: key}
}
