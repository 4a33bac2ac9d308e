//go:build race

package proof

// RaceDetector reports whether this program was built with the race detector.
const RaceDetector = true

const underRace = 11
