//go:build !linux

package run

func InMemory(string) bool { return false }
