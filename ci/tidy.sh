#!/usr/bin/env bash
# go.mod and go.sum of both modules are what `go mod tidy` writes.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

failed=()
for dir in . bench; do
	[[ -f "$dir/go.mod" ]] || { failed+=("$dir (no go.mod)"); continue; }
	(cd "$dir" && go mod tidy -diff) || failed+=("$dir")
done
((${#failed[@]} == 0)) || die "go mod tidy would change: ${failed[*]}"
say "go mod tidy: nothing to change"
