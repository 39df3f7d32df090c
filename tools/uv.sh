#!/bin/sh
# Prints the path of a uv that works: the one on PATH, else one put into .tools/ by pip, its hash checked.
#
# Usage: tools/uv.sh PYTHON    (PYTHON makes the small environment .tools/ where uv is missing)
set -eu
cd "$(dirname "$0")/.."

works() { "$1" --version >/dev/null 2>&1; }

if works .tools/bin/uv; then echo "$PWD/.tools/bin/uv"; exit; fi
if works uv; then command -v uv; exit; fi

export PIP_DISABLE_PIP_VERSION_CHECK=1
"$1" -m venv --clear .tools >&2 || {
    echo "uv is missing, and $1 cannot make the environment to put it in." >&2
    echo "Put uv on PATH, or install Python's venv module (on Debian: apt-get install python3-venv)." >&2
    exit 1
}
.tools/bin/python -m pip install --quiet --require-hashes --no-deps -r requirements/uv.txt >&2
works .tools/bin/uv
echo "$PWD/.tools/bin/uv"
