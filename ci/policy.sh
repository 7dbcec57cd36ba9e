#!/usr/bin/env bash
# The repository's own rules: import policy, file sizes, doc comments, documents that compile, the API's golden files.
# They are part of `go test ./...` too; here they run alone, first and uncached, because they tell in seconds what is wrong.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

gotest -count=1 -skip '^TestOutside' ./internal/archtest || die "the repository's rules are broken (see internal/archtest)"
