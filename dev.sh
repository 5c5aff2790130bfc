#!/bin/sh
# The only command a newcomer types: makes .venv when needed, then hands over to `just`.
#
#   ./dev.sh              what it can do
#   ./dev.sh up           the whole product, on this machine
#   ./dev.sh test         everything CI runs
#
# Needs Python >= 3.11 and nothing else. PYTHON=/path/to/python chooses one.
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd -P)

fail() {
    printf 'dev.sh: %s\n' "$1" >&2
    exit 1
}

is_new_enough() {
    "$1" -I -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

find_python() {
    if [ -n "${PYTHON:-}" ]; then
        command -v "$PYTHON" >/dev/null 2>&1 || fail "PYTHON=$PYTHON is not there."
        is_new_enough "$PYTHON" || fail "PYTHON=$PYTHON is not a Python 3.11 or newer."
        python=$PYTHON
        return
    fi
    seen=
    for python in python3 python3.14 python3.13 python3.12 python3.11 python; do
        command -v "$python" >/dev/null 2>&1 || continue
        is_new_enough "$python" && return
        seen=$(command -v "$python")
    done
    [ -z "$seen" ] && fail "Python 3.11 or newer is needed, and no Python was found on the PATH."
    fail "Python 3.11 or newer is needed; $seen is older. Install one, or point PYTHON at it."
}

# What the environment was made from; it is made again when any of this changes. The folder is
# part of it, because a moved checkout leaves every script in .venv pointing at the old place.
stamp=$({ printf '%s\n' "$here"; cat "$here/locks/dev.lock" "$here/pyproject.toml"; } | cksum)

if [ ! -x "$here/.venv/bin/just" ] || [ ! -x "$here/.venv/bin/python" ] ||
    [ "$(cat "$here/.venv/.stamp" 2>/dev/null || true)" != "$stamp" ]; then
    find_python
    "$python" -I "$here/infra/cli/install.py" "$here" "$stamp" || exit 1
fi

PATH="$here/.venv/bin:$PATH"
export PATH
if [ $# -eq 0 ]; then
    exec just --justfile "$here/Justfile" --list --unsorted
fi
exec just --justfile "$here/Justfile" "$@"
