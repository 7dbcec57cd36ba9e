#!/usr/bin/env bash
# The bench module builds against this tree, its own tests pass, and the ratios of one short run (never absolute
# times) do not fall below half of their floors. The figures of RESULTS.md are taken by hand on a quiet machine.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

[[ -f bench/go.mod ]] || die "bench/go.mod is missing"
cd bench
go build -o /dev/null ./... || die "bench does not build"
go vet ./... || die "go vet found faults in bench"
gotest ./... || die "the tests of bench failed"
go run ./cmd/table -stage gate -check -slack 0.5 || die "a ratio of the bench gate fell below half of its floor"
say "bench: builds, vet clean, tested"
