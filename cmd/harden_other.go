//go:build unix && !linux

package cmd

func hideMemory() {}
