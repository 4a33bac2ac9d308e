package app

import (
	"path"
	"strings"

	"github.com/coffer-secrets/coffer/store"
)

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
		return "coffer doctor " + path.Clean(service) + " shows what is wrong with it, and the command that repairs it"
	}
}
