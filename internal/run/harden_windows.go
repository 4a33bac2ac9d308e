package run

// ForbidCore does nothing: Windows writes no core dumps unless it is configured to.
func ForbidCore() (restore func()) { return func() {} }
