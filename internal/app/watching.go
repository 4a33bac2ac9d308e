package app

import "time"

const (
	defaultInterval = 30 * time.Second
	defaultGrace    = 10 * time.Second
	shortestWatch   = time.Second
)

// WatchTimes returns the time between two checks for changes, and the time that a command has to end.
// The arguments are flags, or "".
func (s *Settings) WatchTimes(intervalFlag, graceFlag string) (interval, grace time.Duration, err error) {
	interval, err = s.watchSetting("interval", intervalFlag, &s.File.WatchInterval).duration("watch_interval", defaultInterval, shortestWatch)
	if err != nil {
		return 0, 0, err
	}
	grace, err = s.watchSetting("grace", graceFlag, &s.File.WatchGrace).duration("watch_grace", defaultGrace, 0)
	return interval, grace, err
}

// OnChange returns what is done about a change. flag is --on-change, or "".
func (s *Settings) OnChange(flag string) Setting {
	on := s.watchSetting("on-change", flag, &s.File.WatchOnChange)
	if on.Value == "" {
		return Setting{"restart", fromDefault}
	}
	return on
}

func (s *Settings) watchSetting(name, flag string, file *string) Setting {
	if flag != "" {
		return Setting{flag, "--" + name}
	}
	return Setting{*file, s.File.from(file)}
}

// duration parses a setting. name is that of the configuration file.
func (s Setting) duration(name string, otherwise, shortest time.Duration) (time.Duration, error) {
	if s.Value == "" {
		return otherwise, nil
	}
	d, err := time.ParseDuration(s.Value)
	switch {
	case err != nil:
		return 0, s.Refuse(name, "is not a duration such as 30s or 2m")
	case d < shortest:
		return 0, s.Refuse(name, "is too short: use "+shortest.String()+" or more")
	}
	return d, nil
}
