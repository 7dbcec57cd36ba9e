// Package archtest holds the repository's rules as tests: which package may import which, how files are written, that the
// documents compile and their links lead somewhere, that the exported API changes on purpose only, and that programs
// outside the tree can use every way in. It has no code of its own; `go test ./internal/archtest` runs it.
//
// Golden files are rewritten with `go test ./internal/archtest -run TestAPI -update`.
package archtest
