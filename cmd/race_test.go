//go:build race

package cmd_test

// The race detector's own memory is many times the program's.
const raceDetector = true
