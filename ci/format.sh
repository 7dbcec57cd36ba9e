#!/usr/bin/env bash
# Every Go file is as gofmt writes it. Testdata holds inputs that are odd on purpose and is left out.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

mapfile -t files < <(find . -name testdata -prune -o -name '.git' -prune -o -name '*.go' -print)
unformatted="$(gofmt -l -s "${files[@]}")" || die "gofmt could not read every file"
if [[ -n "$unformatted" ]]; then
	gofmt -d -s $unformatted || true
	die "not formatted, run gofmt -s -w:" $unformatted
fi
say "gofmt: ${#files[@]} files"
