#!/usr/bin/env bash
# The README's command, to the letter: allocation tests count here, since the race detector allocates.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

go test ./... || die "go test ./... failed"
