#!/usr/bin/env bash
# A short run of every fuzz target. By hand: ci/fuzz.sh [SECONDS_IN_ALL [NAME_PATTERN]]; CI gives its budget.
# The instrumented builds come first, then the time that is left is shared out among the targets.
# ci/fuzz.sh build only builds: CI does that as a step of its own, since a cold build is no fuzzing time.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

total="${1:-110}"
only=
[[ "$total" != build ]] || { only=build; total=0; }
pattern="${2:-.}"
start=$EPOCHSECONDS

SCRATCH="$(scratch)"
trap 'rm -rf "$SCRATCH"' EXIT

# -fuzz takes one package and one target, so they are listed from the test files that this system builds, of both modules.
targets=()
for mod in . bench; do
	[[ -f "$mod/go.mod" ]] || continue
	list="$(cd "$mod" && go list -f '{{.ImportPath}} {{.Dir}} {{range .TestGoFiles}}{{.}} {{end}}{{range .XTestGoFiles}}{{.}} {{end}}' ./...)" ||
		die "the packages of $mod cannot be listed"
	while read -r pkg dir files; do
		for file in $files; do
			while read -r name; do
				[[ "$name" =~ $pattern ]] && targets+=("$mod $pkg $name")
			done < <(sed -nE 's/^func (Fuzz[A-Za-z0-9_]+)\(.*\*testing\.F\).*/\1/p' "$dir/$file")
		done
	done <<<"$list"
done
((${#targets[@]} > 0)) || die "no fuzz target matches $pattern"

while read -r mod pkg; do
	(cd "$mod" && go test -c -fuzz=. -o "$SCRATCH/" "$pkg") || die "$pkg does not build for fuzzing"
done < <(printf '%s\n' "${targets[@]}" | cut -d' ' -f1,2 | sort -u)
if [[ -n "$only" ]]; then
	say "fuzz: ${#targets[@]} targets built in $(seconds_since "$start") s"
	exit 0
fi

# Each target costs about a second beside its fuzzing time (start, baseline, stop).
left=$((total - $(seconds_since "$start")))
each=$((left / ${#targets[@]} - 1))
((each <= 5)) || each=5
((each >= 1)) || each=1
say "fuzz: ${#targets[@]} targets, $each s each (builds took $(seconds_since "$start") s)"

failed=()
for target in "${targets[@]}"; do
	read -r mod pkg name <<<"$target"
	if out="$(cd "$mod" && go test -run='^$' -fuzz="^${name}\$" -fuzztime="${each}s" -parallel=2 "$pkg" 2>&1)"; then
		printf 'ok  %-28s %s\n' "$name" "$(grep -oE 'execs: [0-9]+' <<<"$out" | tail -n 1)"
	else
		printf '%s\n' "$out"
		failed+=("$pkg $name")
	fi
done
((${#failed[@]} == 0)) || die "fuzzing found inputs for:$(printf ' %s,' "${failed[@]}") each is saved under testdata/fuzz"
