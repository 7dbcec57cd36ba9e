#!/usr/bin/env bash
# The README's command, with its output in order: allocation tests count here, since the race detector allocates.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

gotest ./... || die "go test ./... failed"
