package inspect

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/coffer-secrets/coffer/index"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/admin"
	"github.com/coffer-secrets/coffer/store/internal/bucket"
)

// join makes one finding of those that have one cause: a wrong setting or a key object, not the objects that it
// keeps from being read.
func (in *inspection) join() {
	opens := len(in.v.Readable()) > 0 || slices.ContainsFunc(in.secrets, func(s *seenSecret) bool { return s.object != nil })
	of := map[string][]*fault{}
	var order []string
	in.faults = slices.DeleteFunc(in.faults, func(f *fault) bool {
		cause := causeOf(f, opens)
		if cause == "" {
			return false
		}
		if of[cause] == nil {
			order = append(order, cause)
		}
		of[cause] = append(of[cause], f)
		return true
	})
	for _, cause := range order {
		in.faults = append(in.faults, in.joined(of[cause]))
	}
}

// causeOf returns what faults of one cause have in common; "" if the object itself is at fault. opens says that other
// objects of the service can be read, so that the settings are right.
func causeOf(f *fault, opens bool) string {
	var seal *store.SealError
	switch {
	case f.err == nil:
		return ""
	case errors.As(f.err, &seal) && strings.HasPrefix(seal.Format, "age:"):
		return seal.Format
	case errors.As(f.err, &seal) && !opens:
		return strings.Join([]string{seal.Format, seal.Method, seal.KeyID, seal.Want}, "\n")
	case opens && f.KeyAlias == "" && codeOf(f.err) == store.CodeUnknownTeamKey:
		return "" // one that no index has, among others that open: somebody may have made it up
	case keyObject(f.err):
		return f.KeyAlias + "\n" + codeOf(f.err)
	}
	return ""
}

// joined returns the finding about the cause of faults.
func (in *inspection) joined(all []*fault) *fault {
	one := *all[0]
	one.ID = store.ID{Service: in.v.Service}
	one.Object = ""
	var names []string
	indexes := 0
	for _, f := range all {
		if f.ID.Key == "" {
			indexes++
			one.KeyAlias = cmp.Or(one.KeyAlias, f.KeyAlias)
		} else {
			names = append(names, f.ID.Key)
		}
	}
	var what []string
	if len(names) > 0 {
		what = append(what, fmt.Sprintf("%s (%s)", counted(len(names), "secret"), few(names)))
	}
	if indexes > 0 {
		what = append(what, counted(indexes, "index"))
	}
	about := "has " + strings.Join(what, " and ")
	var seal *store.SealError
	switch {
	case errors.As(one.err, &seal) && one.Format != "":
		one.Check = admin.CheckOtherBackend
		one.Text = about + ", written by a store of another kind: " + seal.Error()
	case errors.As(one.err, &seal) && seal.KeyID != "":
		one.Text = fmt.Sprintf("%s under the key %s, which is not allowed here; expected: %s. No object of the service is under another key, so the setting may be wrong, not the objects", about, seal.KeyID, seal.Want)
	case errors.As(one.err, &seal):
		one.Text = about + ", and none is encrypted, according to the storage; expected: " + seal.Want + ". Either the storage doesn't encrypt or report it, or somebody has put them there"
	case codeOf(one.err) == store.CodeUnknownTeamKey:
		one.Check, one.OfKey = admin.CheckKeyRollback, true
		one.Text = fmt.Sprintf("%s that can't be opened: %s. Either the key object of the alias is older than they are, or somebody has made them up", about, reasonOf(one.err))
	default:
		one.OfKey = true
		one.Text = fmt.Sprintf("%s that can't be opened because of the key of the alias: %s", about, message(one.err))
	}
	return &one
}

// findOlder looks for an older version of each secret that is damaged, and says whether an index is needed.
func (in *inspection) findOlder(ctx context.Context) {
	const most = 20 // secrets
	damage := []string{admin.CheckUnsealed, admin.CheckCopied, admin.CheckCorruptSecret, admin.CheckCorruptIndex, admin.CheckOtherKey}
	looked := 0
	for _, f := range in.faults {
		switch {
		case f.Object == "" || f.Severity != admin.Serious || f.Repairable || !slices.Contains(damage, f.Check):
		case f.ID.Key == "":
			base := path.Base(f.Object)
			f.Useless = index.Is(base, in.e.Plain()) && in.allOpen()
		case looked < most:
			looked++
			f.Older, f.KeyAlias = in.e.OlderVersion(ctx, in.v.Service, f.ID.Key, f.KeyAlias)
		}
	}
}

// allOpen reports whether every secret of the service was read or is known from its index, so that a lost index costs nothing.
func (in *inspection) allOpen() bool {
	return !slices.ContainsFunc(in.secrets, func(s *seenSecret) bool { return !s.deleted && s.vouchedBy == nil && s.object == nil })
}

// reasonOf returns the reason of an error of the bucket, without what was tried.
func reasonOf(err error) string {
	var bad *bucket.Error
	if errors.As(err, &bad) && bad.Reason != "" {
		return bad.Reason
	}
	return message(err)
}

// codeOf returns the code of an error of the bucket; "" for any other error.
func codeOf(err error) string {
	var bad *bucket.Error
	if errors.As(err, &bad) {
		return bad.Code
	}
	return ""
}

// lostKey reports whether an error is that of an alias whose key object is missing, though something is encrypted with it.
func lostKey(err error) bool { return store.IsKeyGone(codeOf(err)) }

// lostFor returns the one alias whose missing key object hides whatever is hidden. ok is false if there may be
// another reason.
func (in *inspection) lostFor() (alias string, ok bool) {
	for _, s := range in.indexes {
		switch own := s.KeyAlias(in.e); {
		case !errors.Is(s.err, bucket.ErrDenied):
		case !lostKey(s.err), alias != "" && alias != own:
			return "", false
		default:
			alias = own
		}
	}
	return alias, alias != ""
}

// keyObject reports whether an error is about the object that has the key, not about what is encrypted with it: that is
// as good as before once the key object is.
func keyObject(err error) bool {
	var doubt *store.KeyTrustError
	var bad *bucket.Error
	return errors.As(err, &doubt) || errors.As(err, &bad) && (bad.Code == store.CodeDamagedTeamKey || bad.Code == store.CodeUnknownTeamKey)
}

// aliasOfKey returns the alias of the index that is encrypted with a key; "" if there is none.
func (in *inspection) aliasOfKey(id string) string {
	for _, x := range in.indexes {
		if id != "" && x.Seal.KeyID == id {
			return x.KeyAlias(in.e)
		}
	}
	return ""
}

// copied returns the reason of an error about an object that was copied from another name; "" for any other
// error.
func copied(err error) string {
	var bad *bucket.Error
	if errors.As(err, &bad) && bad.Code == store.CodeCopied {
		return bad.Reason
	}
	return ""
}

// unsealed returns the fault for a [*store.SealError], or nil for any other error.
func unsealed(err error, key string) *fault {
	var bad *store.SealError
	if !errors.As(err, &bad) {
		return nil
	}
	f := &fault{err: err, Finding: admin.Finding{Check: admin.CheckUnsealed, Format: bad.Format, Method: bad.Method, Severity: admin.Serious, ID: store.ID{Key: key}, Object: bad.Object}}
	f.Text = "is not encrypted, according to the storage"
	if bad.KeyID != "" { // it is encrypted, but with the wrong method or key
		f.Check, f.Text = admin.CheckOtherKey, fmt.Sprintf("is encrypted with %s under %s, which is not allowed here", bad.Method, bad.KeyID)
	} else if bad.Method != "" {
		f.Text = "is encrypted with " + bad.Method
	}
	f.Text += fmt.Sprintf("; expected: %s. It can't be trusted, and no command uses it", bad.Want)
	return f
}
