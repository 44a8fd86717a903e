#!/bin/bash
# Make the virtual environment DIR with the interpreter PYTHON, or say what is missing for it.
set -euo pipefail

dir="$1" python="$2"

fail() {
    printf '%s\n' "$@" >&2
    exit 1
}

# The environments for benchmarks and for Ansible compile nothing of systemd; one for development does.
[ "${dir%-bench}" != "$dir" ] || [ "${dir%-ansible}" != "$dir" ] || pkg-config --exists libsystemd 2>/dev/null ||
    fail "The headers of libsystemd are missing: systemd-python is published as source." \
        "On Debian, as root: apt-get install libsystemd-dev pkg-config"

[ ! -x "$dir/bin/python" ] || exit 0

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null ||
    fail "natfix needs Python 3.11 or later, and '$python' is not." "Name one: make PYTHON=/path/to/python3.11"

"$python" -c 'import venv, ensurepip' 2>/dev/null ||
    fail "'$python' cannot make a virtual environment: its venv module is missing." \
        "On Debian: apt-get install python3-venv"

command -v cc >/dev/null ||
    fail "No C compiler: python-iptables is published as source." "On Debian: apt-get install gcc libc6-dev python3-dev"

"$python" -m venv "$dir"
