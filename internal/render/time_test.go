package render

import (
	"testing"
	"time"
)

func TestTimesAreRelativeForAPerson(t *testing.T) {
	const day = 24 * time.Hour
	style := Style{Terminal: true, Now: noon}
	for ago, want := range map[time.Duration]string{
		0:                         "just now",
		time.Second - 1:           "just now",
		time.Second:               "1 second ago",
		59 * time.Second:          "59 seconds ago",
		time.Minute:               "1 minute ago",
		2*time.Hour - time.Second: "1 hour ago",
		36 * time.Hour:            "1 day ago",
		29 * day:                  "29 days ago",
		45 * day:                  "1 month ago",
		364 * day:                 "12 months ago",
		3 * 365 * day:             "3 years ago",
		-time.Millisecond:         "in a moment",
		-10 * time.Minute:         "in 10 minutes",
		-2 * time.Hour:            "in 2 hours",
	} {
		if got := style.Time(noon.Add(-ago)); got != want {
			t.Errorf("%v ago: %q, want %q", ago, got, want)
		}
	}
}

func TestTimesAreExactForAProgram(t *testing.T) {
	at := time.Date(2026, 3, 4, 13, 0, 0, 999, time.FixedZone("", 3600))
	if got := (Style{Now: noon}).Time(at); got != "2026-03-04T12:00:00Z" {
		t.Errorf("time is %q", got)
	}
}

func TestNoTimeIsADash(t *testing.T) {
	for _, style := range []Style{{}, {Terminal: true, Now: noon}} {
		if got := style.Time(time.Time{}); got != "-" {
			t.Errorf("time is %q", got)
		}
	}
}
