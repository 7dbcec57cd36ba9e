#!/usr/bin/env bash
# Installs what the tests behind the tag `interop` need (Debian packages and pinned npm packages, only when missing), then
# runs them.
# The tests start their own processes on loopback; nothing is left running as a service of the system.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# Daemons of Debian live in sbin, which a plain user's PATH may lack.
export PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"

# program -> Debian package
declare -A package=(
	[mosquitto]=mosquitto
	[mosquitto_pub]=mosquitto-clients
	[node]=nodejs
	[npm]=npm
	[openssl]=openssl
	[softhsm2-util]=softhsm2
	[tinyproxy]=tinyproxy
	[python3]=python3
	[chromium]=chromium
	[aws]=awscli
)

missing=()
for program in "${!package[@]}"; do
	command -v "$program" >/dev/null || missing+=("${package[$program]}")
done

# install_packages installs without starting daemons: Debian asks policy-rc.d before a package starts its service.
install_packages() {
	[[ "$(id -u)" == 0 ]] || die "missing, install by hand: ${missing[*]}"
	command -v apt-get >/dev/null || die "missing and no apt-get here: ${missing[*]}"
	local policy=/usr/sbin/policy-rc.d made=
	if [[ ! -e "$policy" ]]; then
		printf '#!/bin/sh\nexit 101\n' >"$policy"
		chmod 755 "$policy"
		made=yes
	fi
	# Registries answer slowly at times; one more try costs less than a lost run.
	local ok=
	for try in 1 2; do
		if apt-get -q update && DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends "${missing[@]}"; then
			ok=yes
			break
		fi
		say "apt-get failed, try $try"
	done
	[[ -z "$made" ]] || rm -f "$policy"
	[[ -n "$ok" ]] || die "could not install: ${missing[*]}"
	# With systemd the package also enabled its daemon for the next boot.
	if [[ -d /run/systemd/system ]]; then
		for unit in mosquitto tinyproxy; do
			systemctl disable --now "$unit" >/dev/null 2>&1 || true
		done
	fi
}

((${#missing[@]} == 0)) || install_packages
for program in "${!package[@]}"; do
	command -v "$program" >/dev/null || die "$program is still missing after installing ${package[$program]}"
done
say "mosquitto $(mosquitto -h 2>/dev/null | sed -nE '1s/.*version ([0-9.]+).*/\1/p') and friends are here"

npm_packages="$(bash internal/interop/testdata/npm/install.sh)" || die "could not install the npm packages"
say "npm packages are in $npm_packages"

# A run without such tests would pass and say nothing.
mapfile -t tagged < <(grep -rlE '^//go:build .*\binterop\b' --include='*_test.go' . || true)
((${#tagged[@]} > 0)) || die "no test file carries the build tag interop"
say "interop tests: ${tagged[*]}"

gotest -tags interop ./... || die "go test -tags interop ./... failed"
