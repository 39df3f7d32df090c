#!/usr/bin/env bash
# Debian roots beside this machine's own: making one, and running commands in one, as root.
#
# Source it, or call one function: .ci/root.sh enter_root FOLDER COMMAND...

uv_cache=${UV_CACHE_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/uv}

# make_root SUITE FOLDER: a bare Debian, as its official images are; kept where it is there already.
make_root() {
    local suite=$1 root=$2 said
    [ ! -e "$root/.whole" ] || { echo "Debian root kept from an earlier run"; return; }
    command -v debootstrap >/dev/null || { apt-get update -qq && apt-get install -y -qq debootstrap; } || return
    rm -rf "$root" && mkdir -p "$root" || return
    echo "making a Debian root: $suite"
    said=$(debootstrap --variant=minbase "$suite" "$root" 2>&1) || { tail -n 20 <<<"$said"; return 1; }
    rm -f "$root"/var/cache/apt/archives/*.deb
    touch "$root/.whole"
}

# Gives a root what the clients of package registries use here: name service, certificates,
# settings. Their variables go in with the environment.
copy_settings() {
    local root=$1 path
    cp -L /etc/resolv.conf /etc/hosts "$root/etc/"
    mkdir -p "$root/etc/ssl/certs" && cp -L /etc/ssl/certs/* "$root/etc/ssl/certs/" 2>/dev/null
    for path in /etc/pip.conf /etc/uv/uv.toml "$HOME/.pip/pip.conf" "$HOME/.config/pip/pip.conf" \
        "$HOME/.config/uv/uv.toml" "${SSL_CERT_FILE:-}" "${PIP_CERT:-}" "${REQUESTS_CA_BUNDLE:-}" \
        "${CURL_CA_BUNDLE:-}" "${PIP_CONFIG_FILE:-}" "${UV_CONFIG_FILE:-}" "${PIP_FIND_LINKS:-}"; do
        [ "${path#/}" != "$path" ] && [ -e "$path" ] || continue
        mkdir -p "$root$(dirname "$path")" && cp -RL "$path" "$root$(dirname "$path")/" || return
    done
}

# enter_root FOLDER COMMAND...: runs a command in a root, as root. The mounts live in a namespace of
# their own and are gone with it, however it ends, so nothing outside can be reached, or removed, by
# a leftover.
enter_root() {
    copy_settings "$1" || return
    mkdir -p "$uv_cache" "$1/root/.cache/uv"
    unshare --mount bash -c '
        set -e
        root=$1 uv_cache=$2
        shift 2
        mount -t proc proc "$root/proc"
        mount --rbind /dev "$root/dev"
        mount --bind "$uv_cache" "$root/root/.cache/uv"
        export HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin TMPDIR=/tmp
        export UV_CACHE_DIR=/root/.cache/uv UV_LINK_MODE=copy LANG=C.UTF-8
        unset XDG_CACHE_HOME PYENV_ROOT VIRTUAL_ENV MAKEFLAGS MAKELEVEL
        cd /
        exec chroot "$root" "$@"
    ' bash "$1" "$uv_cache" "${@:2}"
}

[ "${BASH_SOURCE[0]}" != "$0" ] || "$@"
