#!/bin/sh
# Makes .venv/: one TFX release with all that it needs, every file's hash checked, and the project itself.
#
# `make` calls this before everything else. It returns at once while nothing changed, brings an
# environment up to date when the requirement file did, and starts afresh after an interruption.
#
# TFX=1.16|1.21   the release; without it the C library decides (glibc 2.39 and newer: 1.21)
# WITHOUT=tests   leave out what only the project's own tests and checks need
# PYTHON=path     the interpreter; without it the first on PATH that the release runs on
set -eu
cd "$(dirname "$0")/.."

log=.setup.log
ready=.venv/.ready
# Bytecode for what a run imports: tests, and clients of services that it never calls, stay out.
skipped='/(tests?|testing)/[^_]|_test\.py$|/(agentplatform|databricks|debugpy|mypyc?|vertexai)/'
skipped="$skipped|/google/(genai|cloud/(bigtable|devtools|dlp|kms|language|monitoring|recomm|spanner|vi))"

fail() {
    printf 'set-up: %s\n' "$@" >&2
    exit 1
}

# One line a step, with its seconds. What the step itself prints is shown only when it fails, and
# without the names of hosts: where packages come from is the machine's business.
step() {
    label=$1 began=$(date +%s)
    shift
    printf '  %-46s' "$label"
    if "$@" >$log 2>&1; then
        printf '%4d s\n' $(($(date +%s) - began))
    else
        printf ' failed\n'
        sed 's,://[^/ ]*,://...,g' $log | tail -n 30 >&2
        rm -f $log
        exit 1
    fi
    rm -f $log
}

fitting_release() {
    case "$(uname -s) $(uname -m)" in
    "Darwin arm64") echo 1.21 ;;
    "Linux x86_64")
        glibc=$(getconf GNU_LIBC_VERSION 2>/dev/null | sed 's/^glibc //') || glibc=
        [ -n "$glibc" ] || fail "TFX needs the GNU C library; this machine has another one."
        [ "${glibc%%.*}" -gt 2 ] || [ "${glibc#*.}" -ge 39 ] && echo 1.21 || echo 1.16
        ;;
    *) fail "TFX runs on Linux x86-64 and on macOS arm64; this machine is $(uname -s) $(uname -m)." ;;
    esac
}

# Sets `python` to an interpreter's own path (no shim, and not this .venv's own), or says what is needed and what is here.
find_python() {
    case $release in
    1.16) versions='3\.11' needed='CPython 3.11' candidates='python3.11 python3 python' ;;
    *) versions='3\.1[123]' needed='CPython 3.11, 3.12 or 3.13'
       candidates='python3 python3.13 python3.12 python3.11 python' ;;
    esac
    about='import platform as p, sys; print(p.python_implementation(), p.python_version(), sys._base_executable)'
    found=
    for candidate in ${PYTHON:-$candidates}; do
        seen=$("$candidate" -c "$about" 2>/dev/null) || continue
        # shellcheck disable=SC2086  # three words: implementation, version, path
        case $(echo "$seen" | grep -E "^CPython $versions\.") in
        ?*) python=$(echo "$seen" | cut -d ' ' -f 3-) && return ;;
        esac
        found="$found $candidate is $(echo "$seen" | cut -d ' ' -f 1,2);"
    done
    fail "no fitting Python for TFX $release." \
        "needed: $needed" \
        "found: ${found:- none}" \
        "Install one, or name one: make PYTHON=/path/to/python"
}

# pyfarmhash, which TFX's statistics import, is published as C++ source only.
check_compiler() {
    ${CXX:-c++} --version >/dev/null 2>&1 || fail \
        "no C++ compiler (${CXX:-c++}): the package pyfarmhash is built from source." \
        "Install one (on Debian: apt-get install g++; on macOS: xcode-select --install), or name one: CXX=..."
    header=$("$python" -c 'import sysconfig; print(sysconfig.get_path("include"))')/Python.h
    [ -e "$header" ] || fail \
        "$python has no C headers ($header): the package pyfarmhash is built from source." \
        "Install them (on Debian: apt-get install python3-dev), or name another: make PYTHON=..."
}

install_packages() {
    # The packages that come as source are built with this file's setuptools, hash and all.
    # shellcheck disable=SC2086  # several files
    "$uv" pip sync --python .venv --require-hashes --build-constraints "${requirements%% *}" $requirements
}
install_project() { "$uv" pip install --python .venv --no-deps --no-build-isolation --editable .; }
# A few packages hold files of other Pythons, which do not compile and are never imported.
compile() { .venv/bin/python -m compileall -qq -j 0 -x "$skipped" "$1" || true; }

release=${TFX:-$(fitting_release)}
requirements=requirements/tfx-$release.txt
[ -e $requirements ] || fail "TFX=$release is not here; there are 1.16 and 1.21."
[ "${WITHOUT:-}" = tests ] || requirements="$requirements requirements/tests-$release.txt"
environment="TFX $release in $PWD with ${PYTHON:-a Python on PATH}"
contents="packages $(cat $requirements | cksum), project $(cksum <pyproject.toml)"

if [ -e $ready ] && .venv/bin/python -c '' 2>/dev/null && [ "$(sed -n 1p $ready)" = "$environment" ]; then
    [ "$(sed -n 2p $ready)" != "$contents" ] || exit 0
    same_environment=yes
fi

find_python
check_compiler
export UV_PYTHON_DOWNLOADS=never UV_NO_PROGRESS=1
echo "Setting up .venv for TFX $release on $python"
step "uv" sh tools/uv.sh "$python"
uv=$(sh tools/uv.sh "$python")
rm -f $ready
if [ -z "${same_environment:-}" ]; then
    rm -rf .venv
    step "environment" "$uv" venv --python "$python" .venv
fi
step "$(cat $requirements | grep -c '^[a-z].*==') packages, hashes checked" install_packages
step "the project itself" install_project
step "bytecode, once" compile .venv/lib/python3.*/site-packages
printf '%s\n' "$environment" "$contents" >.venv/.ready.new
mv .venv/.ready.new $ready
