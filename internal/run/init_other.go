//go:build !linux

package run

import "github.com/coffer-secrets/coffer/internal/app"

// IsInit is false: only Linux has containers whose process 1 is a program of their own.
func IsInit() bool { return false }

// Init is used only on Linux.
func Init(*app.App) error { return &app.ExitError{Code: app.ExitOther} }
