package doctor

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/coffer-secrets/coffer/index"
	"github.com/coffer-secrets/coffer/internal/app"
	"github.com/coffer-secrets/coffer/internal/site"
	"github.com/coffer-secrets/coffer/store/admin"
)

// backendOf returns the backend that reads what a finding is about; "" if that can't be told.
func backendOf(f *admin.Finding, seen *admin.Inspection) string {
	names := app.BackendsOf(f.Format, f.Method)
	if len(names) == 0 {
		return ""
	}
	if len(names) > 1 && len(seen.Indexes) == 0 { // they have no indexes of aliases
		return names[len(names)-1]
	}
	return names[0]
}

// advice returns what a person should know besides the command; "" for most findings.
func advice(a *app.App, f *admin.Finding, seen *admin.Inspection) string {
	onLocal := a.InForce.Kind().Directory
	switch {
	case f.Check == admin.CheckOtherBackend:
		name := backendOf(f, seen)
		return fmt.Sprintf(". They are objects of %s: use -b %s, COFFER_BACKEND=%s, or backend: %s in the configuration file. If the bucket is not of that backend, somebody has put them there",
			name, name, name, name)
	case !isDamage(f) || onLocal:
		return ""
	case f.Object == "" && f.Check == admin.CheckOtherKey:
		return ". Correct key_arns (or COFFER_KEY_ARNS)"
	case f.Object == "":
		return ". A server that doesn't report encryption needs allow_unencrypted: true in the configuration file"
	case f.ID.Key != "" && f.Older == "":
		return ". No older version of it that opens was seen, so deleting it could lose its value: keep a copy, and put back what a backup has"
	case f.ID.Key == "" && !f.Useless:
		return ". You couldn't read every secret of the service, so the index may have what they don't have: keep a copy. Whoever can read them all is shown by doctor how to make it again"
	}
	return ""
}

// mayBeUsed reports whether what a service has besides the objects of this backend may be in use by another one.
func mayBeUsed(seen *admin.Inspection) bool {
	return slices.ContainsFunc(seen.Findings, func(f admin.Finding) bool { return f.Check == admin.CheckOtherBackend }) ||
		slices.ContainsFunc(seen.Foreign, func(name string) bool {
			base := path.Base(name)
			return index.Is(base, true) || index.Is(base, false)
		})
}

// sharedCause returns what findings in several services have in common if they have one cause, a setting; "" for any other.
func sharedCause(f *admin.Finding) string {
	if f.Object != "" || f.Check != admin.CheckOtherBackend && !isDamage(f) {
		return ""
	}
	return f.Check + " " + f.Format + " " + f.Method
}

// Together leaves out what follows from another finding: that objects can't be read because of a key object about which
// keys has a finding.
func Together(found, keys []site.Finding) []site.Finding {
	found = slices.DeleteFunc(found, func(f site.Finding) bool {
		return f.Of != "" && slices.ContainsFunc(keys, func(k site.Finding) bool { return k.Severity == admin.Serious && k.About == f.Of })
	})
	var out []site.Finding
	for _, f := range found {
		first := slices.IndexFunc(out, func(o site.Finding) bool { return f.Shared != "" && o.Shared == f.Shared })
		switch {
		case first < 0:
			out = append(out, f)
		case !strings.Contains(out[first].Text, alsoIn):
			out[first].Text += alsoIn + f.About
		default:
			out[first].Text += ", " + f.About
		}
	}
	return append(keys, out...)
}

const alsoIn = ". So it is in the services "
