package doctor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/coffer-secrets/coffer/index"
	"github.com/coffer-secrets/coffer/internal/app"
	"github.com/coffer-secrets/coffer/internal/formats"
	"github.com/coffer-secrets/coffer/internal/site"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/admin"
)

// Keys examines the keys that members hold: those of all aliases or, if services were typed, of the aliases
// under which they have something. doubts are the errors about keys that can't be trusted, which are also
// findings: their exit code is that of the command. A store without members has no findings.
func Keys(ctx context.Context, a *app.App, st store.Store, seen []Inspected, typed bool) (found []site.Finding, doubts []error, err error) {
	teams, ok := st.(admin.Teams)
	if !ok {
		return nil, nil, nil
	}
	there, err := teams.TeamAliases(ctx)
	if err != nil {
		if typed { // who may read a service may not be allowed to list the keys
			return nil, nil, nil
		}
		return site.Unknown(admin.CheckStrangeKey, admin.KeysPrefix, err), nil, ctx.Err()
	}
	aliases := used(a, seen, there)
	if !typed {
		aliases = append(aliases, there...)
		for name := range a.InForce.File.KeyIDs {
			if alias, err := store.NormalizeAlias(name); err == nil {
				aliases = append(aliases, alias)
			}
		}
		strange, err := teams.StrangeKeys(ctx)
		if err != nil {
			return nil, nil, err
		}
		found = append(found, strangeFindings(a, strange)...)
	}
	inUse, err := keysInUse(ctx, a, teams, typed)
	if err != nil {
		return nil, nil, err
	}
	for _, k := range inUse.Keys {
		aliases = append(aliases, k.KeyAlias)
	}
	found = append(found, replaced(a, inUse)...)
	slices.Sort(aliases)
	for _, alias := range slices.Compact(aliases) {
		t, err := teams.Team(ctx, alias)
		if app.IsNoIdentity(err) { // for all of them
			return append(found, site.Finding{
				Severity: admin.Warning, Check: admin.CheckNotMember, About: admin.KeysPrefix, Command: "coffer init", Text: "can't be opened: " + app.Sentence(err),
			}), doubts, nil
		}
		if typed { // that it is the first use, the command itself has said
			t.Before = cmp.Or(t.Before, t.KeyID)
		}
		f, doubt, failed := ofKey(a, alias, t, err, slices.Contains(there, alias), ask(ctx, teams, alias))
		if failed != nil {
			return found, doubts, failed
		}
		found = append(found, claims(f, alias, inUse)...)
		if doubt {
			doubts = append(doubts, err)
		}
	}
	return found, doubts, nil
}

// used returns the aliases under which services have something.
func used(a *app.App, seen []Inspected, there []string) (aliases []string) {
	for i := range seen {
		for _, x := range seen[i].Indexes {
			// The name of an index tells its alias only roughly, so what exists comes first.
			at := slices.IndexFunc(there, func(alias string) bool { return strings.HasSuffix(x.Object, "/"+index.FileName(alias)) })
			var refused *store.StorageError
			switch {
			case at >= 0:
				aliases = append(aliases, there[at])
			case errors.As(x.Err, &refused) && store.IsKeyGone(refused.Code):
				aliases = append(aliases, x.KeyAlias)
			}
		}
		for _, s := range seen[i].Secrets {
			if s.KeyAlias != "" && slices.Contains(there, s.KeyAlias) {
				aliases = append(aliases, s.KeyAlias)
			}
		}
	}
	if alias := a.InForce.AliasOfWrites(); slices.Contains(there, alias) {
		aliases = append(aliases, alias)
	}
	return aliases
}

// ofKey returns the findings about the key of an alias: what the store says of its team. doubt says that the
// key can't be trusted. failed is an error that says nothing about the key. ask says how to become a member.
func ofKey(a *app.App, alias string, t admin.Team, err error, exists bool, ask string) (found []site.Finding, doubt bool, failed error) {
	object := admin.KeyObject(alias)
	versions := fill(a, "aws s3api list-object-versions{endpoint} --bucket {bucket} --prefix {object}", object)
	why := func(text string) string { // without what stands before it in the row
		return strings.TrimPrefix(strings.TrimPrefix(text, object+" "), "the key object of "+alias+": ")
	}
	say := func(severity admin.Severity, check, command, format string, args ...any) []site.Finding {
		return []site.Finding{{Severity: severity, Check: check, About: object, Command: command, Text: fmt.Sprintf(format, args...)}}
	}
	const putBack = "Put a copy back, from an older version of the bucket or a backup: nothing else opens what is encrypted with it, and no new key is made"
	show := "coffer keys members " + formats.ShellTyped(alias)
	var trust *store.KeyTrustError
	var refused *store.StorageError
	switch {
	case err == nil:
		return ofTeam(a, t, say, show), false, nil
	case errors.As(err, &trust) && trust.Older:
		return say(admin.Serious, admin.CheckKeyRollback, versions, "%s. Nothing is read or written under it. Put the newest version back; "+
			"only if that is lost, accept this one: coffer keys trust %s %s", why(app.Sentence(err)), alias, trust.KeyID), true, nil
	case errors.As(err, &trust) && trust.New:
		return say(admin.Serious, admin.CheckUntrustedKey, show, "%s. Accept it only if another member has the same id: coffer keys trust %s %s",
			why(app.Sentence(err)), formats.ShellTyped(alias), trust.KeyID), true, nil
	case errors.As(err, &trust) && (trust.Pinned || trust.Want == ""):
		return say(admin.Serious, admin.CheckUntrustedKey, "coffer config", "%s. Compare the id with what another member has; if it is right, key_ids: {%s: %s} "+
			"in the configuration file accepts it", why(app.Sentence(err)), alias, trust.KeyID), true, nil
	case errors.As(err, &trust):
		return say(admin.Serious, admin.CheckUntrustedKey, versions, "%s. Somebody may have replaced it: put the key object of the team back. "+
			"Accept this one only if another member has the same id: coffer keys trust %s %s", why(app.Sentence(err)), formats.ShellTyped(alias), trust.KeyID), true, nil
	case !errors.As(err, &refused):
		return nil, false, err
	case refused.Code == store.CodeLostTeamKey:
		return say(admin.Serious, admin.CheckLostKey, versions, "%s. %s", why(refused.Reason), putBack), false, nil
	case refused.Code == store.CodeNoTeamKey:
		return say(admin.Serious, admin.CheckLostKey, versions, "is missing, but there are secrets of %s. %s", alias, putBack), false, nil
	case refused.Code == store.CodeDamagedTeamKey:
		return say(admin.Serious, admin.CheckCorruptKey, versions, "is not a valid key object: %s. %s", why(refused.Reason), putBack), false, nil
	case refused.Code == store.CodeNotMember:
		severity, text := admin.Remark, ""
		if alias == a.InForce.AliasOfWrites() {
			severity, text = admin.Warning, ", and it is the alias of what you write"
		}
		return say(severity, admin.CheckNotMember, "coffer whoami", "%s%s. To become one, %s", refused.Reason, text, ask), false, nil
	case errors.Is(err, store.ErrDenied), errors.Is(err, store.ErrConfiguration): // the object itself, or an identity that failed
		found = site.Unknown(admin.CheckNotMember, object, err)
		found[0].Command = show
		return found, false, nil
	case !exists && errors.Is(err, store.ErrNotFound):
		return nil, false, nil // it went meanwhile
	}
	return nil, false, err
}

// ofTeam returns the findings about a key that the caller has and trusts.
func ofTeam(a *app.App, t admin.Team, say func(admin.Severity, string, string, string, ...any) []site.Finding, show string) (found []site.Finding) {
	made := fmt.Sprintf("number %d", t.Number)
	if t.By != "" {
		made += fmt.Sprintf(", made by %q", t.By)
	}
	if !t.Since.IsZero() {
		made += " on " + t.Since.UTC().Format(time.DateOnly)
	}
	if t.Pinned != "" && t.Pinned != t.KeyID {
		found = say(admin.Warning, admin.CheckOldPin, "coffer config", "is pinned by an earlier key, %s, which former members know. %s has the key %s now (%s): "+
			"change it in %s to key_ids: {%s: %s}, if another member has the same id", t.Pinned, t.KeyAlias, t.KeyID, made,
			cmp.Or(a.InForce.File.Path(), "the configuration file"), t.KeyAlias, t.KeyID)
	}
	if t.Before == "" && t.Pinned == "" {
		found = append(found, say(admin.Remark, admin.CheckNewKey, show, "has the key %s (%s), of which nothing was known here: it is trusted from now on, as this is the first use of the bucket. "+
			"Compare the id with what another member has. If it is another, use nothing of the bucket: the key object was replaced", t.KeyID, made)...)
	}
	if t.Before != "" && t.Before != t.KeyID {
		found = append(found, say(admin.Remark, admin.CheckNewKey, show, "has a new key, %s (%s): somebody was revoked since this machine last used it. It comes from the key %s, "+
			"which is known here, so it is trusted from now on. Compare the id with what another member has", t.KeyID, made, t.Before)...)
	}
	return found
}

// strangeFindings returns the finding about objects among the keys that are none; none without objects.
func strangeFindings(a *app.App, names []string) []site.Finding {
	if len(names) == 0 {
		return nil
	}
	const most = 5
	shown, commands := names[:min(most, len(names))], []string{}
	for _, name := range shown {
		commands = append(commands, fill(a, "aws s3 mv{endpoint} s3://{bucket}/{object} .", name))
	}
	text := "contains objects that are no keys: " + strings.Join(shown, ", ")
	if more := len(names) - len(shown); more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return []site.Finding{{
		Severity: admin.Remark, Check: admin.CheckStrangeKey, About: admin.KeysPrefix, Text: text, Command: strings.Join(commands, " && "),
	}}
}

// fill completes a command of AWS about an object.
func fill(a *app.App, command, object string) string {
	return strings.NewReplacer("{endpoint}", endpointFlag(a), "{bucket}", a.InForce.Bucket.Value, "{object}", formats.ShellTyped(object)).Replace(command)
}

// endpointFlag returns the flag for a server that aws doesn't know from its own variables; "" without one.
func endpointFlag(a *app.App) string {
	if u := a.InForce.EndpointURL.Value; u != "" {
		return " --endpoint-url " + formats.ShellTyped(u)
	}
	return ""
}
