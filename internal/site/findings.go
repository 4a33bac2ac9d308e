package site

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"time"

	"github.com/coffer-secrets/coffer/internal/app"
	"github.com/coffer-secrets/coffer/internal/pace"
	"github.com/coffer-secrets/coffer/internal/policy"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/admin"
)

// Findings checks the bucket, the key, the server, the clock and the caller's permissions, in
// parallel. Services are those of the bucket. With probe it writes an object and deletes it again;
// otherwise it changes nothing. A check that fails is a finding of severity note, not an error.
func Findings(ctx context.Context, a *app.App, s store.Store, services []string, probe bool) ([]Finding, error) {
	site, err := Open(ctx, a)
	if err != nil {
		return nil, err
	}
	site.Unconditional = true // chamber needs unconditional puts, so allowing them is no problem
	tried := TrialResults(a, site)
	service := ProbedService(services)
	checks := []func(context.Context) []Finding{
		func(ctx context.Context) []Finding { return clockFindings(ctx, a, site) },
		site.keyFindings,
		func(ctx context.Context) []Finding { return site.conditionFindings(ctx, s, service, probe) },
		func(ctx context.Context) []Finding { return site.permissionFindings(ctx, s, service, probe) },
	}
	if tried[admin.CheckPolicy] == "" {
		checks = append(checks, func(ctx context.Context) []Finding { return site.policyFindings(ctx, ignoresPuts(ctx, s)) })
	}
	settings := site.Settings()
	if err := a.InForce.RefuseAccessPoint("an access point doesn't show the settings of its bucket"); err != nil {
		a.Note("not checked: %s", app.Sentence(err))
		checks, settings = checks[:4], nil
	}
	for _, setting := range settings {
		if setting.Name != admin.CheckPolicy {
			checks = append(checks, func(ctx context.Context) []Finding { return site.settingFindings(ctx, setting, tried[setting.Name]) })
		}
	}
	found := make([][]Finding, len(checks))
	_ = pace.Each(ctx, len(checks), len(checks), func(ctx context.Context, i int) error {
		found[i] = site.noteUntried(checks[i](ctx), tried)
		return nil
	})
	var all []Finding
	for _, of := range found {
		for i := range of {
			if of[i].Command == "" && !of[i].Fine { // of Unknown, where most often a permission is missing, or of permissions
				of[i].Command = "coffer policy check operator " + service
			}
		}
		all = append(all, of...)
	}
	return all, ctx.Err()
}

// noteUntried adds to the findings that init repairs that init tries the setting first. It applies to
// servers other than AWS on which this machine has not run init. If the trial fails, init leaves the
// setting out, and it is no finding any more.
func (s *Site) noteUntried(found []Finding, tried map[string]string) []Finding {
	if s.Other == "" || tried != nil {
		return found
	}
	for i, f := range found {
		if f.Check != admin.CheckKey && strings.HasPrefix(f.Command, "coffer init") {
			found[i].Text += " (init first tries it on a separate bucket)"
		}
	}
	return found
}

// ProbedService returns the service below which probes write their objects.
func ProbedService(services []string) string {
	if len(services) > 0 {
		return services[0]
	}
	return "coffer-doctor-check"
}

// initCommand creates what is missing, but no policy that stops chamber from writing where it can.
func (s *Site) initCommand() string {
	if s.sealed {
		return "coffer init"
	}
	return "coffer init --allow-unconditional"
}

// ignoresPuts reports whether the server is known to ignore conditional puts.
func ignoresPuts(ctx context.Context, s store.Store) bool {
	prober, ok := s.(admin.ConditionProber)
	if !ok {
		return false
	}
	c, err := prober.Conditions(ctx, "", false)
	return err == nil && c.Known && !c.Puts
}

// settingFindings checks one setting of the bucket. There is no finding if the server doesn't support
// the setting, or if init has left it out, as init would leave it out again.
func (s *Site) settingFindings(ctx context.Context, setting BucketSetting, leftOut string) []Finding {
	severity, text := admin.Warning, ""
	switch setting.Name {
	case admin.CheckEncryption:
		switch severity = admin.Remark; {
		case s.sealed:
			text = "has no default encryption; coffer encrypts its objects before it stores them"
		case setting.Want == methodKMS:
			text = "doesn't use " + setting.Want + " for objects that are stored without a key; coffer always sends one"
		default:
			severity, text = admin.Warning, "has no default encryption"
		}
	case admin.CheckPublicAccess:
		text = "doesn't block public access"
	case admin.CheckVersions:
		text = "has versioning off: what is deleted or overwritten can't be restored"
	case admin.CheckLifecycle:
		text = "has no lifecycle rule that deletes old versions and shared objects, so their values stay"
	}
	switch isSet, err := setting.IsSet(ctx); {
	case errors.Is(err, store.ErrUnsupported):
		return nil
	case err != nil:
		return Unknown(setting.Name, s.Scope.Bucket, err)
	case isSet:
		return nil
	case leftOut != "" && setting.Name == admin.CheckVersions:
		return newFinding(admin.Remark, setting.Name, s.Scope.Bucket, anotherServer, "%s; init left them out: %s", text, leftOut)
	case leftOut != "":
		return nil
	}
	return newFinding(severity, setting.Name, s.Scope.Bucket, s.initCommand(), "%s", text)
}

// policyFindings checks the bucket's policy. To allow puts without a condition is only a note, as
// chamber needs them. If the server ignores conditions, it is no finding: the policy would protect
// nothing.
func (s *Site) policyFindings(ctx context.Context, ignoresConditions bool) []Finding {
	bucket := s.Scope.Bucket
	existing, err := s.Buckets.Policy(ctx, bucket)
	switch {
	case errors.Is(err, store.ErrUnsupported):
		return nil
	case err != nil:
		return Unknown(admin.CheckPolicy, bucket, err)
	}
	var found []Finding
	for _, statement := range s.Scope.BucketPolicy(ignoresConditions).Statement {
		switch _, missing, err := policy.Merge(existing, policy.Document{Statement: []policy.Statement{statement}}); {
		case err != nil:
			return Unknown(admin.CheckPolicy, bucket, err)
		case !missing:
		case statement.Sid == policy.SidTLSOnly:
			found = append(found, newFinding(admin.Warning, admin.CheckTLSOnly, bucket, s.initCommand(), "has no policy that refuses requests without TLS")...)
		default:
			found = append(found, newFinding(admin.Remark, admin.CheckConditionalPuts, bucket, "coffer init",
				"allows writes without conditions%s: they can overwrite newer versions", map[bool]string{false: ", as chamber makes them"}[s.sealed])...)
		}
	}
	return found
}

// anotherServer is the command that moves the secrets to a server with conditions, ETags or versions.
const anotherServer = "coffer migrate --all-services --from-context HERE --to-context ELSEWHERE"

// keyFindings checks the key of new secrets.
func (s *Site) keyFindings(ctx context.Context) []Finding {
	if len(s.Scope.Keys) == 0 {
		return nil
	}
	const check = admin.CheckKey
	alias := s.Scope.Keys[0].Alias
	command := s.initCommand()
	if s.keyName != alias || store.IsKeyName(alias) { // init can only create a key for an alias
		command = "coffer config"
	}
	another := "aws kms update-alias --alias-name " + alias + " --target-key-id KEY"
	ctx, cancel := context.WithTimeout(ctx, app.KeyTimeout)
	defer cancel()
	info, found, err := s.key(ctx)
	switch {
	case err != nil:
		return Unknown(check, alias, err)
	case !found:
		return newFinding(admin.Serious, check, alias, command, "doesn't exist in this account and region: nothing can be written")
	case info.State == "Disabled":
		return newFinding(admin.Serious, check, alias, "aws kms enable-key --key-id "+info.ID, "is disabled: nothing can be read or written with it")
	case info.State == "PendingDeletion":
		return newFinding(admin.Serious, check, alias, "aws kms cancel-key-deletion --key-id "+info.ID,
			"is pending deletion: nothing can be read or written with it, and when it is deleted, all its secrets are lost")
	case !info.Enabled:
		return newFinding(admin.Serious, check, alias, another, "can't be used: it is %s", info.State)
	case info.Usage != "" && info.Usage != "ENCRYPT_DECRYPT": // moto reports none
		return newFinding(admin.Serious, check, alias, another, "can't encrypt objects: its usage is %s", info.Usage)
	case s.checkPin() != nil:
		return newFinding(admin.Serious, check, alias, another, "points to %s, which is not in key_arns: nothing can be written", info.ARN)
	}
	return nil
}

// clockFindings compares the clock with the server's, which is exact to a second.
func clockFindings(ctx context.Context, a *app.App, s *Site) []Finding {
	const check = admin.CheckClock
	theirs, err := s.Buckets.ServerTime(ctx, s.Scope.Bucket)
	ours := a.Now()
	if err != nil {
		return Unknown(check, "this machine", err)
	}
	if theirs.IsZero() {
		return newFinding(admin.Remark, check, "this machine", "date -u", "unknown: the server doesn't send its time")
	}
	offset, direction := ours.Sub(theirs), "ahead of"
	if offset < 0 {
		offset, direction = -offset, "behind"
	}
	severity := admin.Warning
	switch {
	case offset <= time.Minute:
		return nil
	case offset > 5*time.Minute:
		severity = admin.Serious
	}
	return newFinding(severity, check, "this machine", clockSetter(),
		"has a clock %s %s the server's: versions get wrong dates, and from 15 minutes on, requests are refused", offset.Round(time.Second), direction)
}

// clockSetter returns the command that synchronizes the clock of this machine.
func clockSetter() string {
	switch runtime.GOOS {
	case "darwin":
		return "sudo sntp -sS time.apple.com"
	case "windows":
		return "w32tm /resync"
	}
	return "sudo timedatectl set-ntp true"
}

// conditionFindings checks whether the server ignores conditions of writes and deletes.
func (s *Site) conditionFindings(ctx context.Context, st store.Store, service string, probe bool) []Finding {
	const check, about = admin.CheckConditions, "the server"
	prober, ok := st.(admin.ConditionProber)
	if !ok {
		return nil
	}
	c, err := prober.Conditions(ctx, service, probe)
	noKMS := "coffer init -b s3-age" // the same server, which needs to encrypt nothing then
	if s.sealed {
		noKMS = anotherServer
	}
	var seal *store.SealError
	switch {
	case errors.As(err, &seal) && seal.Method == "":
		return newFinding(admin.Warning, admin.CheckEncryption, about, noKMS,
			"doesn't report encryption: writes are refused unless the configuration has allow_unencrypted: true")
	case errors.Is(err, store.ErrUnsupported):
		return newFinding(admin.Serious, check, about, noKMS, "can't be written to: %s", app.Sentence(err))
	case err != nil:
		return Unknown(check, about, err)
	case !c.Known && probe:
		return newFinding(admin.Remark, check, about, "", "unknown: it could not be queried")
	case !c.Known:
		return newFinding(admin.Remark, check, about, "coffer doctor --probe", "unknown: its support for conditional requests was not probed in the last seven days")
	case !c.Puts:
		return newFinding(admin.Warning, check, about, anotherServer,
			"ignores the conditions of writes: writes are refused, or with single_writer the last of two concurrent writers wins")
	case !c.Deletes:
		return newFinding(admin.Remark, check, about, "coffer doctor --fix --single-writer",
			"ignores conditional deletes: a deleted secret leaves a tombstone, which doctor --fix --single-writer removes if nobody else writes")
	}
	return nil
}

// permissionFindings tries the permissions of a reader or, with probe, of an operator.
func (s *Site) permissionFindings(ctx context.Context, st store.Store, service string, probe bool) []Finding {
	const check = admin.CheckPermission
	prober, ok := st.(admin.Prober)
	if !ok {
		return nil
	}
	role := policy.Reader
	if probe {
		role = policy.Operator
	}
	permissions := s.Scope.Permissions(role, service)
	actions := make([]string, len(permissions))
	for i, p := range permissions {
		actions[i] = p.Action
	}
	trials, err := prober.Try(ctx, service, actions)
	if err != nil {
		return Unknown(check, service, err)
	}
	var found []Finding
	var allowed []string
	for i, t := range trials {
		switch {
		case t.Verdict == admin.Allowed:
			allowed = append(allowed, t.Action)
		case t.Verdict == admin.Unknown:
			found = append(found, newFinding(admin.Remark, check, permissions[i].On, "", "unknown whether you may %s: %s", t.Action, t.Reason)...)
		case t.Action == "s3:ListBucket" || t.Action == "s3:GetObject":
			found = append(found, newFinding(admin.Warning, check, permissions[i].On, "coffer policy reader "+service, "you don't have %s: %s", t.Action, t.Reason)...)
		default:
			found = append(found, newFinding(admin.Remark, check, permissions[i].On, "coffer policy "+string(role)+" "+service, "you don't have %s: %s", t.Action, t.Reason)...)
		}
	}
	if probe && len(allowed) > 0 {
		found = append(found, Finding{Severity: admin.Remark, Check: check, About: service, Fine: true, Text: "you have " + strings.Join(allowed, ", ")})
	}
	return found
}
