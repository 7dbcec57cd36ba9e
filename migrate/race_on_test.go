//go:build race

package migrate

// raceDetector tells whether the tests run under the race detector, which makes type-checking many times slower.
const raceDetector = true
