#!/bin/sh
# Builds the container image with whichever of docker, podman and buildah is here.
#
# Usage: tools/image.sh NAME cpu|gpu [ARGUMENT ...]    (ARGUMENT goes to the engine as it stands)
set -eu
cd "$(dirname "$0")/.."

name=$1 accelerator=$2
shift 2
case $accelerator in
cpu | gpu) ;;
*) echo "image: ACCELERATOR=$accelerator is neither cpu nor gpu." >&2; exit 1 ;;
esac

engine=
for candidate in docker podman buildah; do
    # A client whose engine does not run is as good as none.
    if "$candidate" info >/dev/null 2>&1; then engine=$candidate && break; fi
done
[ -n "$engine" ] || {
    echo "image: needs docker, podman or buildah, installed and running; none answers here." >&2
    exit 1
}

# buildah keeps layers only when told to.
[ "$engine" != buildah ] || set -- --layers "$@"
echo "Building $name ($accelerator) with $engine"
exec "$engine" build --file deploy/Dockerfile --tag "$name" --build-arg "ACCELERATOR=$accelerator" "$@" .
