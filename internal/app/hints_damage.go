package app

import (
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/coffer-secrets/coffer/store"
)

// sealedElsewhere reports whether an object is sealed as another backend does it. An object in clear is no reason to name
// a backend: a backend that believes it would believe a forged one.
func sealedElsewhere(e *store.SealError) bool {
	return strings.HasPrefix(e.Format, "age:") && len(BackendsOf(e.Format, e.Method)) > 0
}

// otherBackendHint says how to read an object that another backend has sealed. Anybody who can write to the bucket can make
// an object look like that.
func otherBackendHint(e *store.SealError) string {
	names := BackendsOf(e.Format, e.Method)
	service := path.Dir(strings.TrimPrefix(e.Object, "/"))
	return "if the bucket is of that backend: -b " + strings.Join(names, ", or -b ") + ", or COFFER_BACKEND. Otherwise somebody may have put the object there: its content was not used, and coffer doctor " +
		service + " shows which it is"
}

// otherBackend returns the sentence of an error about an object of another backend; "" for any other error.
func otherBackend(err error) string {
	var bad *store.SealError
	if !errors.As(err, &bad) || !sealedElsewhere(bad) {
		return ""
	}
	return bad.Object + " is an object of the backend " + strings.Join(BackendsOf(bad.Format, bad.Method), " or ") + "; expected: " + bad.Want
}

// otherBucketHint names the backend of a bucket, and the commands that move its secrets to the one that is wanted.
func otherBucketHint(e *store.OtherBackendError) string {
	have, want := backendOfFormat(e.Have), backendOfFormat(e.Want)
	const longest = 63 // characters of a bucket's name
	to := "-" + want
	to = e.Bucket[:min(len(e.Bucket), longest-len(to))] + to
	return fmt.Sprintf("to use them: -b %s, or COFFER_BACKEND. To move them to a bucket of their own: coffer init -b %s --bucket %s && coffer migrate --all-services --from-backend %s --from-bucket %s --to-backend %s --to-bucket %s",
		have, want, to, have, e.Bucket, want, to)
}

// backendOfFormat returns the name of the backend that writes a format.
func backendOfFormat(f store.BackendFormat) string {
	method := "AES256"
	if f.Aliases {
		method = "aws:kms"
	}
	return strings.Join(BackendsOf(f.Format, method), " or ")
}

// damagedHint returns what to do about an object that can't be read as what it should be. Only backends
// that keep a service's secrets as objects, api/key.json, have a doctor.
func damagedHint(object string) string {
	object = strings.TrimPrefix(object, "/")
	switch service, file := path.Split(object); {
	case service == "" || strings.Contains(object, " "): // "secret api", of Secrets Manager
		return "another program wrote it: Coffer reads a JSON object of keys and values"
	case strings.HasPrefix(file, store.ReservedPrefix):
		return "coffer doctor --fix " + path.Clean(service) + " rebuilds the index from its secrets"
	default:
		return doctorShows(service)
	}
}

// unopenedHint is [damagedHint] of an object that can't be decrypted. coffer doctor --fix leaves such an index as it is: it can't
// tell whether the index has something that the secrets don't have.
func unopenedHint(object string) string {
	service, file := path.Split(strings.TrimPrefix(object, "/"))
	if !strings.HasPrefix(file, store.ReservedPrefix) || service == "" {
		return damagedHint(object)
	}
	return doctorShows(service)
}

func doctorShows(service string) string {
	return "coffer doctor " + path.Clean(service) + " shows what is wrong with it, and the command that repairs it"
}
