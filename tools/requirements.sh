#!/bin/sh
# Compiles the .in files of requirements/ into the hashed .txt files that set-up installs.
#
# Usage: tools/requirements.sh UV [--upgrade]    (without --upgrade, pins that still fit stay)
#
# Each file is compiled for every machine that will install it: TFX 1.16 for Linux on x86-64 with
# Python 3.11, the GPU's packages for Linux on x86-64, the others for all platforms at once. uv writes
# no registry's address into them.
set -eu
cd "$(dirname "$0")/../requirements"
uv=$1
shift

export UV_CUSTOM_COMPILE_COMMAND="make requirements"
compile() { "$uv" pip compile --quiet -p 3.11 --generate-hashes --no-emit-index-url "$@"; }

# What some packages need beyond a file whose pins they keep, to be installed beside it.
beyond() {
    base=$1
    shift
    # shellcheck disable=SC2046  # two words a package
    compile "$@" --constraints "$base" \
        $(sed -n 's/^\([A-Za-z0-9._-]*\)==.*/--no-emit-package \1/p' "$base")
}

old='--python-platform x86_64-manylinux_2_17 --override overrides.txt'
new='--universal --override overrides.txt'
# shellcheck disable=SC2086  # several words each
{
    compile "$@" $old tfx-1.16.in -o tfx-1.16.txt
    compile "$@" $new tfx-1.21.in -o tfx-1.21.txt
    beyond tfx-1.16.txt "$@" $old tests.in -o tests-1.16.txt
    beyond tfx-1.21.txt "$@" $new tests.in -o tests-1.21.txt
}
beyond tfx-1.21.txt "$@" --python-platform x86_64-manylinux_2_39 gpu.in -o gpu.txt
# What samples need beyond themselves is in the files above; uv needs nothing.
compile "$@" --universal --no-deps samples.in -o samples.txt
compile "$@" --universal --no-deps bench.in -o bench.txt
compile "$@" --universal --no-deps uv.in -o uv.txt
