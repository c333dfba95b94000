# shellcheck shell=bash
# What every script of this folder starts with: the project's root, the cache folder, small questions.

ROOT=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
# What takes long to make and does not change between two clones: a built Ollama, cargo-deny, clients.
CACHE=${THOX_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/thox}
# Cargo's own variable moves the build products; everything that looks for a binary asks here.
TARGET=${CARGO_TARGET_DIR:-$ROOT/target}
export ROOT CACHE TARGET

# A script that another one calls tells it by this status that there was nothing it could do here.
# shellcheck disable=SC2034
SKIPPED=3

# at_least HAVE WANT: is version HAVE the same as WANT or newer?
at_least() {
    [[ $(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n1) == "$2" ]]
}

# install_packages PACKAGE…: brings Debian packages that are missing; says what is missing where it cannot.
install_packages() {
    local package missing=() as_root=()
    for package; do
        dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
    done
    ((${#missing[@]})) || return 0
    if ! command -v apt-get >/dev/null; then
        echo "missing: ${missing[*]} (Debian's names); install them and try again" >&2
        return 1
    fi
    if ((EUID != 0)); then
        if ! sudo -n true 2>/dev/null; then
            echo "missing: run  sudo apt-get install ${missing[*]}  and try again" >&2
            return 1
        fi
        as_root=(sudo -n)
    fi
    echo "installing ${missing[*]} …" >&2
    # A fresh container has no package lists; a machine in use mostly has good ones.
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "${missing[@]}" \
        >/dev/null 2>&1 ||
        {
            "${as_root[@]}" apt-get update -qq >&2 &&
                "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
                    apt-get install -qq -y --no-install-recommends "${missing[@]}" >&2
        } ||
        return 1
    # What a package starts by itself is not wanted: the tests start their own.
    if [[ -d /run/systemd/system ]]; then
        for package in "${missing[@]}"; do
            case $package in
            avahi-daemon) "${as_root[@]}" systemctl disable --quiet --now avahi-daemon.service avahi-daemon.socket || true ;;
            nginx* | haproxy) "${as_root[@]}" systemctl disable --quiet --now "${package%-light}" || true ;;
            esac
        done
    fi
}
