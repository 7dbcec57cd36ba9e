# Shared by .ci/run and every ci/*.sh: where the repository is, how a failure is said, how the tools are pinned.
# Source it; it runs nothing by itself.

set -euo pipefail

# Scripts work from any directory, so each starts at the repository's root.
ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
cd "$ROOT"

# The linter is a tool of the checks, not of the module: it is run by version and stays out of go.mod.
STATICCHECK="honnef.co/go/tools/cmd/staticcheck@v0.8.2"

# The other systems that are compiled and vetted for. Two cover four promises (Windows, macOS, 32-bit words, arm64): each
# costs a build of the standard library, and no file here is for one pair of system and processor only.
CROSS=(windows/386 darwin/arm64)

# A clone made by another user must not stop `go build` at the version stamp.
case " ${GOFLAGS:-} " in
*" -buildvcs="*) ;;
*) export GOFLAGS="${GOFLAGS:+$GOFLAGS }-buildvcs=false" ;;
esac
# The toolchain that runs the checks is the one that is installed; nothing downloads another.
export GOTOOLCHAIN="${GOTOOLCHAIN:-local}"

# say prints one line that stands out in a log.
say() { printf '== %s\n' "$*"; }

# die ends the step with a reason.
die() {
	printf 'FAIL: %s\n' "$*" >&2
	exit 1
}

# scratch makes a directory that is removed when the script ends and prints its name.
# A script calls it once, as: SCRATCH="$(scratch)"; trap 'rm -rf "$SCRATCH"' EXIT
scratch() { mktemp -d "${TMPDIR:-/tmp}/portage-ci.XXXXXX"; }

# gotest [-noskip] FLAGS... runs `go test FLAGS` here. What it shows is for people: a line for each package and, last, the tests
# that failed with what they printed (internal/testreport). With -noskip a skipped test is a failure.
gotest() {
	local dir status=0 report=()
	[[ "$1" != -noskip ]] || { report=(-noskip); shift; }
	dir="$(scratch)"
	(cd "$ROOT" && go build -o "$dir/testreport" ./internal/testreport) || status=$?
	if ((status == 0)); then
		trap : QUIT # .ci/run asks with it for the stacks of what hangs: the report of them must still come
		go test -json "$@" 2>&1 | "$dir/testreport" "${report[@]}" || status=$?
		trap - QUIT
	fi
	rm -rf "$dir"
	return "$status"
}

# seconds_since START prints whole seconds since START, a value of $EPOCHSECONDS.
seconds_since() { echo $((EPOCHSECONDS - $1)); }
