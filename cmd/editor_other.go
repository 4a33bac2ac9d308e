//go:build !linux

package cmd

func inMemory(string) bool { return false }
