package doctor

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/coffer-secrets/coffer/internal/app"
	"github.com/coffer-secrets/coffer/internal/site"
	"github.com/coffer-secrets/coffer/store/admin"
)

// mostLooked is at how many objects doctor looks for keys that nobody has any more.
const mostLooked = 200

// keysInUse returns the keys under which the objects of the bucket claim to be, and says so if it looked at a part. With
// services that were typed it looks at none: their own findings show what can't be opened.
func keysInUse(ctx context.Context, a *app.App, teams admin.Teams, typed bool) (admin.KeysInUse, error) {
	if typed {
		return admin.KeysInUse{}, nil
	}
	in, err := teams.KeysInUse(ctx, mostLooked)
	if err == nil && in.Looked < in.Objects {
		a.Note("looked at the beginnings of %d of %d objects for keys that are lost", in.Looked, in.Objects)
	}
	return in, err
}

// replaced returns the findings about keys under which objects claim to be, and which the key object of their alias
// doesn't have: it is older than they are, was replaced by another team's, or the claim is made up.
func replaced(a *app.App, in admin.KeysInUse) (found []site.Finding) {
	for _, k := range in.Keys {
		if !k.Opened || k.Held {
			continue
		}
		object := admin.KeyObject(k.KeyAlias)
		found = append(found, site.Finding{
			Severity: admin.Serious, Check: admin.CheckKeyRollback, About: object,
			Command: fill(a, "aws s3api list-object-versions{endpoint} --bucket {bucket} --prefix {object}", object),
			Text: fmt.Sprintf("doesn't have the key %s, under which %s %s encrypted: nobody can open them. Either it was replaced, or put back to an older state, or somebody has made them up. "+
				"Put back the version of the key object that has the key, from an older version of the bucket or a backup. If none is left, their values are lost: write them again",
				k.KeyID, few(k), isOrAre(k.Objects)),
		})
	}
	return found
}

func isOrAre(n int) string {
	if n == 1 {
		return "is"
	}
	return "are"
}

// few names the objects of a key.
func few(k admin.KeyInUse) string {
	text := app.Count(k.Objects, "object") + " (" + strings.Join(k.Names, ", ")
	if more := k.Objects - len(k.Names); more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text + ")"
}

// claims adds to the finding about an alias of which the caller isn't a member that objects of it are under several keys:
// one of those may be lost, and only a member sees whether it is.
func claims(found []site.Finding, alias string, in admin.KeysInUse) []site.Finding {
	var keys []string
	for _, k := range in.Keys {
		if k.KeyAlias == alias && !k.Opened {
			keys = append(keys, k.KeyID+": "+few(k))
		}
	}
	at := slices.IndexFunc(found, func(f site.Finding) bool { return f.Check == admin.CheckNotMember })
	if len(keys) > 1 && at >= 0 {
		found[at].Text += fmt.Sprintf(". Its objects are under %d keys, %s: coffer doctor, run by a member, shows whether each of them is still there", len(keys), strings.Join(keys, "; "))
	}
	return found
}

// ask says what the caller does to become a member of an alias.
func ask(ctx context.Context, teams admin.Teams, alias string) string {
	own, _ := teams.Self(ctx) // whoever has no identity has a finding about that
	return app.AskForGrant(alias, own)
}
