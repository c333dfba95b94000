# shellcheck shell=bash
# What every script of this folder starts with: the project's root, the cache folder, small questions.

ROOT=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
# What takes long to make and does not change between two clones: a built Ollama, cargo-deny, venvs.
CACHE=${THOX_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/thox}
# Cargo's own variable moves the build products; everything that looks for a binary asks here.
TARGET=${CARGO_TARGET_DIR:-$ROOT/target}
export ROOT CACHE TARGET

# at_least HAVE WANT: is version HAVE the same as WANT or newer?
at_least() {
    [[ $(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n1) == "$2" ]]
}
