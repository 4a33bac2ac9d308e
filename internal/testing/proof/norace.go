//go:build !race

package proof

// RaceDetector reports whether this program was built with the race detector.
const RaceDetector = false

const underRace = 1
