#!/usr/bin/env bash
# Everything compiles: here, the tests too, for Windows and 32-bit words, for macOS on arm64; and the tools of the checks are there.
# With the argument race: here, with the tests, for the race detector.
# What this leaves in the build cache is what the later steps begin with, so that their budgets are for their own work.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# tests FLAGS... compiles the packages with their tests and vets them as go test does, and runs none.
tests() {
	local start=$EPOCHSECONDS
	go test -run '^$' "$@" ./... >/dev/null && say "go test -run '^$' $*: $(seconds_since "$start") s"
}

if [[ "${1:-}" == race ]]; then
	tests -race || die "does not build: -race"
	exit
fi

failed=()

# build NAME compiles with the environment it is called with.
build() {
	local start=$EPOCHSECONDS
	if go build ./...; then
		say "go build, $1: $(seconds_since "$start") s"
	else
		failed+=("$1")
	fi
}

build host
tests || failed+=("tests")
for target in "${CROSS[@]}"; do
	CGO_ENABLED=0 GOOS="${target%/*}" GOARCH="${target#*/}" build "$target"
done
go run "$STATICCHECK" -version || failed+=("$STATICCHECK")
((${#failed[@]} == 0)) || die "does not build: ${failed[*]}"
