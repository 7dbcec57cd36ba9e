#!/usr/bin/env bash
# Installs what package-lock.json names, once for each lock file, and prints the directory it is in. Scripts of packages
# are not run: the native part of aws-crt comes built for this system.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
dir="${XDG_CACHE_HOME:-$HOME/.cache}/portage-interop/$(sha256sum package-lock.json | cut -c1-16)"
if [[ ! -d "$dir" ]]; then
	mkdir -p "$(dirname "$dir")"
	new="$(mktemp -d "$dir.XXXXXX")"
	trap 'rm -rf "$new"' EXIT
	cp package.json package-lock.json .npmrc "$new"
	# A registry answers slowly at times; one more try costs less than a lost run.
	(cd "$new" && { npm ci --ignore-scripts || npm ci --ignore-scripts; }) >&2
	mv -T "$new" "$dir" 2>/dev/null || [[ -d "$dir/node_modules" ]] # somebody else was faster
fi
echo "$dir"
