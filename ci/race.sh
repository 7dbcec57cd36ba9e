#!/usr/bin/env bash
# All tests under the race detector, in random order (the seed is printed). A skipped test is a failure: what needs an
# outside program stands behind the tag interop, and nothing else may be left out in silence.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

SCRATCH="$(scratch)"
trap 'rm -rf "$SCRATCH"' EXIT
log="$SCRATCH/race.log"

status=0
go test -race -shuffle=on -v ./... >"$log" 2>&1 || status=$?

# Verbose output is for counting; what a person reads is the package lines, the failures and what they printed.
passed="$(grep -cE '^ *--- PASS: ' "$log" || true)"
failed="$(grep -cE '^ *--- FAIL: ' "$log" || true)"
skipped="$(grep -cE '^ *--- SKIP: ' "$log" || true)"
if ((status != 0)); then
	grep -vE '^(=== (RUN|PAUSE|CONT|NAME) | *--- PASS: |PASS$)' "$log" | tail -n 400
else
	grep -E '^(ok|FAIL|\?)[[:space:]]' "$log"
fi
if ((skipped != 0)); then
	grep -E '^ *--- SKIP: ' "$log"
	die "$skipped tests were skipped"
fi
((status == 0)) || die "go test -race -shuffle=on ./... failed: $failed tests"
say "under the race detector: $passed passed, $failed failed"
