package doctor

import (
	"strings"

	"github.com/coffer-secrets/coffer/internal/app"
	"github.com/coffer-secrets/coffer/internal/render"
	"github.com/coffer-secrets/coffer/internal/site"
	"github.com/coffer-secrets/coffer/store/admin"
)

// Blocks returns findings for a person at a terminal: of each one what is wrong, why that matters and
// the command that repairs it. The command stays on one line, so that it can be copied.
func Blocks(style render.Style, kind app.Backend, found []site.Finding) string {
	blocks := make([]string, len(found))
	for i, f := range found {
		var mark render.Mark
		switch f.Severity {
		case admin.Serious:
			mark = render.Failed
		case admin.Warning:
			mark = render.Warning
		}
		text := style.Mark(mark) + style.Bold(render.Escape(string(f.Severity)+": "+f.About)) + " (" + f.Check + ")\n" +
			labelled(style, "What:", f.Text)
		if !f.Fine {
			text += labelled(style, "Why:", reasonOf(kind, f.Check))
		}
		if f.Command != "" {
			text += "  Fix:  " + render.Escape(f.Command) + "\n"
		}
		blocks[i] = text
	}
	return strings.Join(blocks, "\n")
}

// labelled returns a label and a text, whose lines are below each other; "" for no text.
func labelled(style render.Style, label, text string) string {
	const indent = "        "
	if text == "" {
		return ""
	}
	return "  " + label + style.Wrap(text, indent)[len("  ")+len(label):] + "\n"
}

// reasons says why each check matters and, if it differs, where chamber reads nothing and where a team holds
// the keys. It is data, so that it costs nothing at the start.
var reasons = [...]struct{ check, why, sealed, ofTeam string }{
	{check: admin.CheckCaseTwins, why: "Commands need the exact key to tell them apart, and a program gets only one of them."},
	{check: admin.CheckCopied, why: "Somebody who can write to the bucket may have put it there. It can't be used under this name."},
	{check: admin.CheckCorruptIndex, why: "Reads are slow or fail, and nothing can be written under this alias."},
	{check: admin.CheckCorruptSecret, why: "No command trusts the service until it is repaired."},
	{check: admin.CheckDeniedIndex, why: "Your exec, env and export leave out the secrets that it covers."},
	{check: admin.CheckDisabledKey, why: "Nothing under the key can be read, so programs don't start."},
	{check: admin.CheckDrift, why: "chamber returns the value of the index, which is not the newest.", sealed: "Readers can't use the entry, so they request the secret again."},
	{check: admin.CheckForeign, why: "They aren't used, and nobody rotates or deletes them."},
	{check: admin.CheckGhost, why: "chamber still returns the deleted value.", sealed: "Who can read the index can still read the deleted value."},
	{check: admin.CheckHidden, why: "Your exec, env and export leave these secrets out."},
	{check: admin.CheckLeftIndex, why: "It isn't needed, and a problem with its key would stop every reader."},
	{check: admin.CheckLostVersion, why: "A value that somebody wrote is no longer in the history."},
	{check: admin.CheckMoving, why: "Until the move is finished, both keys can open the value."},
	{check: admin.CheckNameClash, why: "Nothing can be written under either alias."},
	{check: admin.CheckNoAlias, why: "coffer can't tell under which alias to write the next version."},
	{check: admin.CheckOrphan, why: "chamber doesn't find these secrets, and each read of the service is slower.", sealed: "Each read of the service requests these secrets one by one."},
	{check: admin.CheckOtherBackend, why: "With the backend that is configured, nothing of it can be read. Two backends can't share a service."},
	{check: admin.CheckOtherKey, why: "Who may use the key of the alias may not be able to read it, and disabling that key doesn't protect it.", ofTeam: "Who held that key, such as somebody who was revoked, can still read it."},
	{check: admin.CheckRollback, why: "Somebody may have put an old value back. Programs don't get it until you accept it."},
	{check: admin.CheckStray, why: "Who may use the key of the other alias can read the value."},
	{check: admin.CheckTombstone, why: "It does no harm: it hides the deleted secret from chamber.", sealed: "It does no harm: it says that the secret was deleted."},
	{check: admin.CheckUnsealed, why: "Anybody who can read the bucket may be able to read the value."},
	{check: admin.CheckUnverifiable, why: "Each read of the service is slower."},
	{check: admin.CheckCorruptKey, why: "Nothing under the alias can be read or written until the key is put back."},
	{check: admin.CheckKeyRollback, why: "Members who were revoked since may have put it back, to read what is written next."},
	{check: admin.CheckLostKey, why: "Nothing under the alias can be read. If no copy of the key is left, those secrets are lost."},
	{check: admin.CheckNewKey, why: "Only a member, present or former, can have made the key. A former one would have done so to read what is written next."},
	{check: admin.CheckNotMember, why: "You can't read or write anything under the alias."},
	{check: admin.CheckOldPin, why: "A machine that remembers no keys, such as a job of CI, would accept a key that a former member put back."},
	{check: admin.CheckStrangeKey, why: "Nobody uses them, and nothing but the keys of aliases belongs there."},
	{check: admin.CheckUntrustedKey, why: "Whoever made the key could read everything that is written under it."},
	{check: admin.CheckClock, why: "Requests are refused when the clocks differ by more than 15 minutes, and links expire at the wrong time."},
	{check: admin.CheckConditionalPuts, why: "A program that writes without a condition can overwrite another writer's version."},
	{check: admin.CheckConditions, why: "Two writers can overwrite each other's version."},
	{check: admin.CheckEncryption, why: "What other programs store in the bucket isn't encrypted under your key."},
	{check: admin.CheckKey, why: "New secrets can't be encrypted as configured."},
	{check: admin.CheckLifecycle, why: "Old versions of deleted secrets stay in the bucket for ever."},
	{check: admin.CheckPermission, why: "Without a permission, the commands that need it fail, or leave secrets out."},
	{check: admin.CheckPolicy, why: "The bucket doesn't refuse requests that it should."},
	{check: admin.CheckPublicAccess, why: "A mistake in a policy could make the bucket public."},
	{check: admin.CheckServer, why: "Which features the server supports is unknown."},
	{check: admin.CheckTLSOnly, why: "Values could cross the network in clear."},
	{check: admin.CheckVersions, why: "What is deleted or overwritten by mistake can't be restored."},
}

// reasonOf returns why a check matters on a backend; "" for results that are no problem.
func reasonOf(kind app.Backend, check string) string {
	for _, r := range reasons {
		switch {
		case r.check != check:
		case kind.Teams && r.ofTeam != "":
			return r.ofTeam
		case !kind.Chamber() && r.sealed != "":
			return r.sealed
		default:
			return r.why
		}
	}
	return ""
}
