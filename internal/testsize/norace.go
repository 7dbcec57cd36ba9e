//go:build !race

package testsize

// Race tells whether the tests run under the race detector, which makes type-checking many times slower.
const Race = false
