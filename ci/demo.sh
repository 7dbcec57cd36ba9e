#!/usr/bin/env bash
# The README's first command, to the letter. Its exit code tells whether the rewritten program said the same on the wire.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

go run ./cmd/iotmigrate demo || die "go run ./cmd/iotmigrate demo failed"
