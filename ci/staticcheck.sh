#!/usr/bin/env bash
# staticcheck at the pinned version, over the module and its tests (those of the tags interop and aws too).
# The facades are deprecated for those who can move on, and used by each other, their examples and their tests: that
# one finding about them is left out. Deprecated names of others are found.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

status=0
found="$(go run "$STATICCHECK" -tags interop,aws ./... 2>&1)" || status=$?
own='github\.com/portage-iot/awsiot/(v1compat|shadowcompat|jobscompat|pahocompat)[./].* is deprecated: .*\(SA1019\)$'
left="$(grep -vE "$own|^exit status [0-9]+$|^go: downloading |^$" <<<"$found" || true)"
if [[ -n "$left" ]]; then
	printf '%s\n' "$left"
	((status == 0)) || die "$STATICCHECK found faults (or could not be fetched)"
elif ((status != 0)) && ! grep -qE "$own" <<<"$found"; then
	die "$STATICCHECK failed without a word, exit status $status"
fi
say "$STATICCHECK: clean"
