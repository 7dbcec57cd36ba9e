#!/usr/bin/env bash
# go vet on this machine, with the files of the tags interop and aws, and for the other systems and word sizes that the packages promise.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

failed=()

# vet NAME FLAGS... runs go vet and remembers a failure, so that every platform is reported in one go.
vet() {
	local name="$1" start=$EPOCHSECONDS
	shift
	if go vet "$@" ./...; then
		say "go vet, $name: $(seconds_since "$start") s"
	else
		failed+=("$name")
	fi
}

# The files of the tags come on top of all others, so one run sees all.
vet "host, with -tags interop,aws" -tags interop,aws
for target in "${CROSS[@]}"; do
	# Without cgo: there is no C compiler for the other systems, and no package here may need one unless a tag says so.
	CGO_ENABLED=0 GOOS="${target%/*}" GOARCH="${target#*/}" vet "$target"
done

((${#failed[@]} == 0)) || die "go vet found faults for: ${failed[*]}"
