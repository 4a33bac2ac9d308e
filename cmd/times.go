package cmd

import (
	"strings"
	"time"

	"github.com/coffer-secrets/coffer/internal/app"
)

// parseTime parses a duration before now, or a date with or without a time. A date without a time
// zone is in UTC.
func parseTime(flag, text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04Z07:00", "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02"} {
		if at, err := time.Parse(layout, text); err == nil {
			return at.UTC(), nil
		}
	}
	back, err := app.ParseDuration(text)
	if err != nil || back < 0 || strings.HasPrefix(text, "+") {
		return time.Time{}, app.Usage("%s: %q is neither a duration such as 90m, 24h or 7d, nor a date such as 2026-11-22 or 2026-11-22T10:00:00Z", flag, text)
	}
	return now.Add(-back).UTC(), nil
}

// pastTime is parseTime for a time that must not be in the future, by a clock that may be some minutes off.
func pastTime(flag, text string, now time.Time) (time.Time, error) {
	at, err := parseTime(flag, text, now)
	if err == nil && at.After(now.Add(5*time.Minute)) {
		err = app.Usage("%s: %s is in the future", flag, at.Format(time.RFC3339))
	}
	return at, err
}
