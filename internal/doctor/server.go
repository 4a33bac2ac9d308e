package doctor

import (
	"context"

	"github.com/coffer-secrets/coffer/internal/site"
	"github.com/coffer-secrets/coffer/store"
	"github.com/coffer-secrets/coffer/store/admin"
)

// checkServer is the Check of a row that says what a server keeps: docs/s3-servers.md is made of them.
const checkServer = "server"

// Server asks the server everything that a command can rest on, on objects of nobody.
func Server(ctx context.Context, s store.Store, service string) []site.Finding {
	inquirer, ok := s.(admin.Inquirer)
	if !ok {
		return nil
	}
	all, err := inquirer.Inquire(ctx, service)
	if err != nil {
		return site.Untold(checkServer, "the server", err)
	}
	rows := make([]site.Finding, len(all))
	for i, q := range all {
		rows[i] = site.Finding{Severity: admin.Remark, Check: checkServer, About: q.Name, Kept: string(q.Kept), Text: q.Seen}
	}
	return rows
}
