package cmd

import (
	"time"

	"github.com/coffer-secrets/coffer/internal/app"
)

func (c *InjectCmd) interval(*app.App) (time.Duration, error) {
	if c.Interval == "" {
		return 30 * time.Second, nil
	}
	return time.ParseDuration(c.Interval)
}
