# shellcheck shell=bash
# Sourced after common.sh by up and down: the processes of one local stack. Its directory is $state.
#
# Every process of a stack works in $state or below and leaves its number in $state/pids/NAME.pid. A number alone
# proves nothing, since the system gives it out again: before anything is signalled, the process must
# also be the right program in the right directory.

# use_state DIR: relative to the caller's directory; by default .reprise in the checkout.
use_state() {
    state=$(realpath -m -- "${1:-$root/.reprise}")
    [[ $state != *$'\n'* ]] || die "a state directory cannot have a line break in its name"
    [[ ! -e $state || -d $state ]] || die "$state is not a directory"
}

# A socket's path ends at 107 bytes. Where DIR is deeper than that, the programs, which all work in DIR,
# reach it by way of their own working directory.
redis_url() {
    local socket=$state/redis/redis.sock
    if (($(printf %s "$socket" | wc -c) > 100)); then socket=/proc/self/cwd/redis/redis.sock; fi
    echo "unix://$socket"
}

# shellcheck disable=SC2034  # for up
find_redis() {
    redis_server=$(command -v redis-server || command -v valkey-server) || die "no redis-server on the path; scripts/setup installs it"
    redis_cli=$(command -v redis-cli || command -v valkey-cli) || die "no redis-cli on the path; scripts/setup installs it"
}

ask_redis() { (cd "$state/redis" && timeout 10 "$redis_cli" -s redis.sock "$@" 2>&1); }

names_in_stack() {
    local file
    for file in "$state"/pids/*.pid; do
        [[ -e $file ]] && basename "$file" .pid
    done
    return 0
}

pid_of() {
    local pid
    pid=$(head -n 1 "$state/pids/$1.pid" 2>/dev/null) || return 1
    [[ $pid =~ ^[1-9][0-9]*$ ]] && echo "$pid"
}

# A process that has ended but that nobody has waited for (a container without an init) still has a number.
is_alive() { [[ -d /proc/$1 && $(sed -n 's/^State:\s*\(.\).*/\1/p' "/proc/$1/status" 2>/dev/null) == [!ZX] ]]; }

# runs NAME: prints its process number if it is ours and alive.
runs() {
    local pid program directory
    pid=$(pid_of "$1") && is_alive "$pid" || return 1
    directory=$(readlink "/proc/$pid/cwd") || return 1
    program="$(basename "$(readlink "/proc/$pid/exe")") $(cat "/proc/$pid/comm" 2>/dev/null)"
    case $1 in
        redis) [[ $directory == "$state/redis" && $program =~ (redis|valkey)- ]] ;;
        api) [[ $directory == "$state" && $program == *reprise-api* ]] ;;
        *) [[ $directory == "$state" && $program == *reprise-worker* ]] ;;
    esac && echo "$pid"
}

running_in_stack() {
    local name pid
    for name in $(names_in_stack); do
        if pid=$(runs "$name"); then echo "$name ($pid)"; fi
    done
}

# launch NAME DIRECTORY COMMAND...: in the background, in a session of its own, with nothing of ours open:
# a caller that reads our output to its end would otherwise wait for the stack to stop.
launch() {
    local name=$1 directory=$2 pid
    shift 2
    (cd "$directory" && exec setsid "$@" </dev/null >>"$state/logs/$name.log" 2>&1 9>&-) &
    pid=$!
    echo "$pid" >"$state/pids/.$name.new"
    mv "$state/pids/.$name.new" "$state/pids/$name.pid"
    disown "$pid"
}

# wait_until SECONDS NAME COMMAND...: until it succeeds; at once no more if the process NAME has ended.
wait_until() {
    local limit=$((SECONDS + $1)) name=$2
    shift 2
    until "$@"; do
        is_alive "$(pid_of "$name")" || return 1
        ((SECONDS < limit)) || return 1
        sleep 0.1
    done
}

show_log() {
    local log=$state/logs/$1.log
    [[ -s $log ]] || { say "$log is empty"; return; }
    say "the last lines of $log:"
    tail -n 20 "$log" | sed 's/^/    /' >&2
}

# end_processes SECONDS NAME...: ask all of them to end, wait for all together, then make them.
end_processes() {
    local limit=$((SECONDS + $1)) name pid
    shift
    for name; do
        if pid=$(runs "$name"); then
            kill -TERM "$pid" 2>/dev/null || true
            # A stopped process hears nothing before it goes on.
            kill -CONT "$pid" 2>/dev/null || true
        fi
    done
    for name; do
        if ! ended_by "$limit" "$name"; then
            pid=$(runs "$name") || true
            say "$name ($pid) did not end in time: killing it"
            # It leads a session of its own, so its group is what it started.
            kill -KILL -- "-$pid" 2>/dev/null || true
            ended_by $((SECONDS + 10)) "$name" || { say "$name ($pid) cannot be killed"; continue; }
        fi
        rm -f "$state/pids/$name.pid"
    done
}

ended_by() {
    while runs "$2" >/dev/null; do
        ((SECONDS < $1)) || return 1
        sleep 0.1
    done
}

# API and workers first, so that what they write last still finds Redis.
stop_stack() {
    local -a others=()
    local name
    for name in $(names_in_stack); do
        [[ $name == redis ]] || others+=("$name")
    done
    end_processes "${1:-30}" ${others[@]+"${others[@]}"}
    if runs redis >/dev/null; then ask_redis shutdown >/dev/null || true; fi
    end_processes 15 redis
    rm -f "$state/url" "$state/redis/redis.sock"
}
