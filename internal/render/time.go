package render

import (
	"fmt"
	"time"
)

// Time formats a time: on a terminal relative to Now ("3 minutes ago", "in 2 hours", rounded down, with
// months of 30 days and years of 365), otherwise as RFC 3339 in UTC, in seconds. The zero time is "-".
func (s Style) Time(t time.Time) string {
	switch {
	case t.IsZero():
		return none
	case !s.Terminal:
		return t.UTC().Format(time.RFC3339)
	}
	if d := t.Sub(s.Now); d > 0 {
		return phrase(d, "in %s", "in a moment")
	}
	return phrase(s.Now.Sub(t), "%s ago", "just now")
}

// phrase formats a duration in its largest unit. It returns moment for less than a second.
func phrase(d time.Duration, format, moment string) string {
	const day = 24 * time.Hour
	for _, unit := range []struct {
		name   string
		length time.Duration
	}{
		{"year", 365 * day},
		{"month", 30 * day},
		{"day", day},
		{"hour", time.Hour},
		{"minute", time.Minute},
		{"second", time.Second},
	} {
		switch n := d / unit.length; n {
		case 0:
		case 1:
			return fmt.Sprintf(format, "1 "+unit.name)
		default:
			return fmt.Sprintf(format, fmt.Sprintf("%d %ss", n, unit.name))
		}
	}
	return moment
}
