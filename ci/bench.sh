#!/usr/bin/env bash
# The bench module builds against this tree and its own tests pass. Its figures are taken by hand, not in CI: a shared
# machine gives no figures worth keeping.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

[[ -f bench/go.mod ]] || die "bench/go.mod is missing"
cd bench
go build -o /dev/null ./... || die "bench does not build"
go vet ./... || die "go vet found faults in bench"
go test ./... || die "the tests of bench failed"
say "bench: builds, vet clean, tested"
