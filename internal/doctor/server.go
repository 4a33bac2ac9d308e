package doctor

import (
	"context"

	"github.com/coffer-secrets/coffer/internal/site"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/admin"
)

// Server tests the server for each behaviour of S3 that a command needs, with objects of its own.
// docs/s3-servers.md is made from its findings.
func Server(ctx context.Context, s store.Store, service string) []site.Finding {
	inquirer, ok := s.(admin.Inquirer)
	if !ok {
		return nil
	}
	all, err := inquirer.Inquire(ctx, service)
	if err != nil {
		return site.Unknown(admin.CheckServer, "the server", err)
	}
	rows := make([]site.Finding, len(all))
	for i, q := range all {
		rows[i] = site.Finding{Severity: admin.Remark, Check: admin.CheckServer, About: q.Name, Answer: string(q.Kept), Text: q.Seen}
	}
	return rows
}
