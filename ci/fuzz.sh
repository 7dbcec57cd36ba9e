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
# Where the test binaries go. CI names a folder, so that what the build step made is there for the other.
bin="${FUZZ_BIN:-$SCRATCH}"
mkdir -p "$bin"

# -fuzz takes one package and one target, so they are listed from the test files that this system builds, of both modules.
targets=()
for mod in . bench; do
	[[ -f "$mod/go.mod" ]] || continue
	list="$(cd "$mod" && go list -f '{{.ImportPath}} {{.Dir}} {{range .TestGoFiles}}{{.}} {{end}}{{range .XTestGoFiles}}{{.}} {{end}}' ./...)" ||
		die "the packages of $mod cannot be listed"
	while read -r pkg dir files; do
		for file in $files; do
			while read -r name; do
				[[ "$name" =~ $pattern ]] && targets+=("$mod $pkg $dir $name")
			done < <(sed -nE 's/^func (Fuzz[A-Za-z0-9_]+)\(.*\*testing\.F\).*/\1/p' "$dir/$file")
		done
	done <<<"$list"
done
((${#targets[@]} > 0)) || die "no fuzz target matches $pattern"

# One binary for each package: `go test -fuzz` would link it anew for every target.
while read -r mod pkg; do
	[[ -x "$bin/${pkg//\//_}" ]] || (cd "$mod" && go test -c -fuzz=. -o "$bin/${pkg//\//_}" "$pkg") || die "$pkg does not build for fuzzing"
done < <(printf '%s\n' "${targets[@]}" | cut -d' ' -f1,2 | sort -u)
say "fuzz: ${#targets[@]} targets, builds took $(seconds_since "$start") s"
[[ -z "$only" ]] || exit 0

# New inputs go where `go test -fuzz` keeps them, failing ones into testdata/fuzz of the package.
cache="$(go env GOCACHE)/fuzz"

# fuzz DIR PACKAGE NAME MILLISECONDS fuzzes one target; what it says is in $out.
fuzz() {
	out="$(cd "$1" && "$bin/${2//\//_}" -test.run='^$' -test.fuzz="^$3\$" -test.fuzztime="$4ms" \
		-test.parallel=2 -test.fuzzcachedir="$cache/$2" 2>&1)"
}

failed=()
for i in "${!targets[@]}"; do
	read -r mod pkg dir name <<<"${targets[$i]}"
	# What is left is shared among those that are left; a target costs about a second beside its time.
	each=$(((total - $(seconds_since "$start")) * 1000 / (${#targets[@]} - i) - 1000))
	((each <= 5000)) || each=5000
	((each >= 300)) || each=300
	ok=
	if fuzz "$dir" "$pkg" "$name" "$each"; then
		ok=yes
	elif [[ "$out" == *"context deadline exceeded"* && "$out" != *"Failing input"* ]]; then
		# Go's fuzzing engine at times takes its own end for a failure, on a busy machine (go.dev/issue/75804). It has no
		# failing input then, and the second time says whether it was that.
		say "$name: the engine ran into its own deadline; once more"
		fuzz "$dir" "$pkg" "$name" 1000 && ok=yes
	fi
	if [[ -n "$ok" ]]; then
		printf 'ok  %-28s %d ms, %s\n' "$name" "$each" "$(grep -oE 'execs: [0-9]+' <<<"$out" | tail -n 1)"
	else
		printf '%s\n' "$out"
		failed+=("$pkg $name")
	fi
done
((${#failed[@]} == 0)) || die "fuzzing failed:$(printf ' %s,' "${failed[@]}") a failing input is saved under testdata/fuzz"
