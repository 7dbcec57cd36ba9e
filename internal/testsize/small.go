//go:build !interop

package testsize

// Large tells whether the tests try everything: with the build tag interop, whose run may take many minutes.
const Large = false
