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

# seconds_since START prints whole seconds since START, a value of $EPOCHSECONDS.
seconds_since() { echo $((EPOCHSECONDS - $1)); }
