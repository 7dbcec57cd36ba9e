#!/usr/bin/env bash
# All tests under the race detector, in random order (the seed is printed where one fails). A skipped test is a failure: what needs an
# outside program stands behind the tag interop, and nothing else may be left out in silence.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

gotest -noskip -race -shuffle=on ./... || die "go test -race -shuffle=on ./... failed, or skipped a test"
