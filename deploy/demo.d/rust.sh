# Sourced by deploy/demo and tests/all: is Rust there, and is it new enough?
# shellcheck shell=bash

# rust_problem ROOT: what keeps cargo from building what is there, or nothing.
rust_problem() {
    local wanted said
    wanted=$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' "$1/Cargo.toml")
    if ! command -v cargo >/dev/null; then
        echo "Rust is missing: $wanted or newer is needed"
    elif ! said=$(cargo --version 2>&1) || [[ ! $said =~ ^cargo\ ([0-9.]+) ]]; then
        echo "cargo does not run: ${said%%$'\n'*}"
    elif ! printf '%s\n' "$wanted" "${BASH_REMATCH[1]}" | sort -VC; then
        echo "Rust is too old: $wanted or newer is needed, and this is ${BASH_REMATCH[1]}"
    fi
}
