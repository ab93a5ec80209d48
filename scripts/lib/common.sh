# shellcheck shell=bash
# Sourced by every script here: where the checkout is, how to speak, how to wait for one another.
# Everything these scripts say goes to stderr; stdout is kept for data.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)

say()  { printf '%s\n' "$*" >&2; }
note() { printf '==> %s\n' "$*" >&2; }
die()  { printf '%s: %s\n' "${0##*/}" "$*" >&2; exit 1; }

# The comment block under the first line of a script is its --help.
usage() { sed -n '2,/^[^#]/ { s/^# \{0,1\}//p; }' "$0"; }

# A mistake in the arguments: exit 2, so that callers can tell it from a failure.
misuse() { printf '%s: %s (--help shows the usage)\n' "${0##*/}" "$*" >&2; exit 2; }

# locked FILE COMMAND...: one at a time. What the command starts inherits the lock: if this script is killed, an npm or
# a compiler that lives on still keeps the next one waiting. What may leave a daemon behind must close it (9>&-).
locked() {
    local file=$1
    shift
    mkdir -p "$(dirname "$file")"
    (
        if ! flock -n 9; then
            say "waiting for another script that is at work in this checkout (${file#"$root"/})"
            flock 9
        fi
        "$@"
    ) 9>"$file"
}

# up_to N COMMAND...: for what goes over a network. Waits a little longer each time.
up_to() {
    local tries=$1 try
    shift
    for ((try = 1; ; try++)); do
        "$@" && return 0
        if ((try >= tries)); then
            say "gave up after $tries tries: $*"
            return 1
        fi
        say "failed, trying again in $((try * 3)) s: $*"
        sleep $((try * 3))
    done
}
