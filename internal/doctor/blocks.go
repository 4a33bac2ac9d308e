package doctor

import (
	"strings"

	"github.com/coffer-secrets/coffer/internal/render"
	"github.com/coffer-secrets/coffer/internal/site"
	"github.com/coffer-secrets/coffer/store/admin"
)

// Blocks returns findings for a person at a terminal: of each one what is wrong, why that matters and
// the command that repairs it. The command stays on one line, so that it can be copied.
func Blocks(style render.Style, found []site.Finding) string {
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
			text += labelled(style, "Why:", reasonOf(f.Check))
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

// reasons says why each check matters. It is data, so that it costs nothing at the start.
var reasons = [...]struct{ check, why string }{
	{admin.CheckCaseTwins, "Commands need the exact key to tell them apart, and a program gets only one of them."},
	{admin.CheckCopied, "Somebody who can write to the bucket may have put it there. It can't be used under this name."},
	{admin.CheckCorruptIndex, "Reads are slow or fail, and nothing can be written under this alias."},
	{admin.CheckCorruptSecret, "No command trusts the service until it is repaired."},
	{admin.CheckDeniedIndex, "Your exec, env and export leave out the secrets that it covers."},
	{admin.CheckDisabledKey, "Nothing under the key can be read, so programs don't start."},
	{admin.CheckDrift, "chamber returns the value of the index, which is not the newest."},
	{admin.CheckForeign, "They aren't used, and nobody rotates or deletes them."},
	{admin.CheckGhost, "chamber still returns the deleted value."},
	{admin.CheckHidden, "Your exec, env and export leave these secrets out."},
	{admin.CheckLeftIndex, "It isn't needed, and a problem with its key would stop every reader."},
	{admin.CheckLostVersion, "A value that somebody wrote is no longer in the history."},
	{admin.CheckMoving, "Until the move is finished, both keys can open the value."},
	{admin.CheckNameClash, "Nothing can be written under either alias."},
	{admin.CheckNoAlias, "coffer can't tell under which alias to write the next version."},
	{admin.CheckOrphan, "chamber doesn't find these secrets, and each read of the service is slower."},
	{admin.CheckOtherKey, "Who may use the key of the alias may not be able to read it, and disabling that key doesn't protect it."},
	{admin.CheckRollback, "Somebody may have put an old value back. Programs don't get it until you accept it."},
	{admin.CheckStray, "Who may use the key of the other alias can read the value."},
	{admin.CheckTombstone, "It does no harm: it hides the deleted secret from chamber."},
	{admin.CheckUnsealed, "Anybody who can read the bucket may be able to read the value."},
	{admin.CheckUnverifiable, "Each read of the service is slower."},
	{admin.CheckClock, "Requests are refused when the clocks differ by more than 15 minutes, and links expire at the wrong time."},
	{admin.CheckConditionalPuts, "A program that writes without a condition can overwrite another writer's version."},
	{admin.CheckConditions, "Two writers can overwrite each other's version."},
	{admin.CheckEncryption, "What other programs store in the bucket isn't encrypted under your key."},
	{admin.CheckKey, "New secrets can't be encrypted as configured."},
	{admin.CheckLifecycle, "Old versions of deleted secrets stay in the bucket for ever."},
	{admin.CheckPermission, "Without a permission, the commands that need it fail, or leave secrets out."},
	{admin.CheckPolicy, "The bucket doesn't refuse requests that it should."},
	{admin.CheckPublicAccess, "A mistake in a policy could make the bucket public."},
	{admin.CheckServer, "Which features the server supports is unknown."},
	{admin.CheckTLSOnly, "Values could cross the network in clear."},
	{admin.CheckVersions, "What is deleted or overwritten by mistake can't be restored."},
}

// reasonOf returns why a check matters; "" for results that are no problem.
func reasonOf(check string) string {
	for _, r := range reasons {
		if r.check == check {
			return r.why
		}
	}
	return ""
}
