# Sourced by deploy/demo: what it says, and how it ends when something is wrong.
# shellcheck shell=bash disable=SC2154 # shared with deploy/demo and its other parts

# die STATUS HEADLINE LINE...
die() {
    local status=$1
    printf 'error: %s\n' "$2" >&2
    shift 2
    (($# == 0)) || printf '  %s\n' "$@" >&2
    exit "$status"
}

# The end of every server's log, Portcullis's last.
show_logs() {
    local name
    for name in "${started[@]}"; do
        printf -- '--- last lines of %s.log\n' "$name" >&2
        tail -n 25 "$directory/$name.log" >&2 || true
    done
}

# indented FIRST REST: standard input with FIRST before the first line and REST before the others.
indented() {
    awk -v first="$1" -v rest="$2" '{ print (NR == 1 ? first : rest) $0 }'
}

# shell_variable NAME VALUE: an assignment that any shell reads back as it was; plain values unquoted.
shell_variable() {
    if [[ $2 =~ ^[A-Za-z0-9_./:@%+-]+$ ]]; then
        printf '%s=%s\n' "$1" "$2"
    else
        printf "%s='%s'\n" "$1" "${2//\'/\'\\\'\'}"
    fi
}
