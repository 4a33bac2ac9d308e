package run

// ForbidCore has nothing to do: Windows writes no core files unless it is configured to.
func ForbidCore() (restore func()) { return func() {} }
