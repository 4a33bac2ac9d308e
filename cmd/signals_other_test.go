//go:build unix && !linux

package cmd_test

var blocking func()
