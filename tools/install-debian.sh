#!/bin/bash
# Install the Debian packages of tools/debian-packages.txt that are missing.
#
# Without root, or on a system without apt-get, it prints what is missing and goes on: tests that need it skip.
# While packages are installed, no service is started: a dockerd of its own on a developer's machine would rewrite
# the very rules that the tests are about.
set -euo pipefail

list="$(dirname "$0")/debian-packages.txt"
policy=/usr/sbin/policy-rc.d

mapfile -t wanted < <(sed 's/#.*//; s/[[:space:]]*$//; /^$/d' "$list")

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    echo "no Debian system: see to it that these, or what your system calls them, are there: ${wanted[*]}"
    exit 0
fi

missing=()
for package in "${wanted[@]}"; do
    status="$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)"
    [ "$status" = installed ] || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

if [ "$(id -u)" != 0 ]; then
    echo "missing Debian packages, which only root can install: apt-get install ${missing[*]}"
    exit 0
fi

install_missing() {
    DEBIAN_FRONTEND=noninteractive apt-get install --yes --quiet=2 --no-install-recommends "${missing[@]}" >/dev/null
}

remove_policy() { rm -f "$policy"; }

# A policy of the machine's own stays, and stays in charge.
if [ ! -e "$policy" ]; then
    trap remove_policy EXIT
    trap 'exit 130' INT TERM HUP
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
fi

echo "installing Debian packages: ${missing[*]}"
# Package lists may be absent or old: fetch them only when the first try fails.
if ! install_missing 2>/dev/null; then
    apt-get update --quiet=2 >/dev/null
    install_missing
fi
