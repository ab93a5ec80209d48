# shellcheck shell=bash
# Sourced by setup: the distribution's packages.

# Each is asked for by name, and each is named in the README with why. `$1`: for what beside building and running: lint, fuzz, test, bench.
wanted_packages() {
    echo g++ cmake ninja-build ccache pkg-config git ca-certificates curl
    echo libhiredis-dev rapidjson-dev libssl-dev libcli11-dev libspdlog-dev libfmt-dev
    echo libyaml-cpp-dev libarchive-dev prometheus-cpp-dev libjemalloc-dev libgtest-dev libgmock-dev
    echo redis-server redis-tools python3 python3-venv
    case $1 in
        lint) echo clang-format clang-tidy shellcheck ;;
        fuzz) echo clang libclang-rt ;;
        test) echo clang libclang-rt prometheus-redis-exporter prometheus ;;
        bench) echo wrk valgrind python3-matplotlib ;;
    esac
    node_packages
}

# Node often comes from somewhere else than the distribution; then its packages would only clash.
node_packages() {
    if ! command -v node >/dev/null; then
        echo nodejs npm
    elif ! command -v npm >/dev/null; then
        echo npm
    fi
}

installed() { dpkg-query -W -f '${db:Status-Status} ${Package}\n' "$@" 2>/dev/null | sed -n 's/^installed //p' || true; }

boost_is_new_enough() { [[ $(installed 'libboost1.*-dev') =~ libboost1\.(8[1-9]|9[0-9]|[1-9][0-9]{2})-dev ]]; }

# A server that is on the path in another form (Valkey, built from source) will do.
satisfied_otherwise() {
    case $1 in
        redis-server) command -v redis-server || command -v valkey-server ;;
        redis-tools) command -v redis-cli || command -v valkey-cli ;;
        clang-format | clang-tidy | shellcheck | prometheus-redis-exporter) command -v "$1" ;;
        prometheus) command -v promtool ;;
        libclang-rt) dpkg-query -W -f '${db:Status-Status}\n' 'libclang-rt-*-dev' | grep -x installed ;;
        *) return 1 ;;
    esac >/dev/null 2>&1
}

missing_packages() {
    local package have
    local -a wanted
    read -ra wanted <<<"$(wanted_packages "$1" | tr '\n' ' ')"
    have=" $(installed "${wanted[@]}" | tr '\n' ' ')"
    for package in "${wanted[@]}"; do
        [[ $have == *" $package "* ]] || satisfied_otherwise "$package" || echo "$package"
    done
    boost_is_new_enough || echo libboost
}

install_packages() {
    command -v dpkg-query >/dev/null ||
        die "this set-up knows Debian and Ubuntu; elsewhere, install the packages listed in scripts/lib/packages.sh by hand and set REPRISE_SKIP_PACKAGES=1"
    if [[ $(missing_packages "$1") ]]; then
        # flock is in util-linux, which is always there; the lock is for two scripts that start at once.
        locked "$root/build/.packages.lock" install_missing "$1"
    fi
    check_versions
}

install_missing() {
    local -a missing
    read -ra missing <<<"$(missing_packages "$1" | tr '\n' ' ')"
    ((${#missing[@]})) || return 0
    note "Missing packages: ${missing[*]}"
    find_root "${missing[*]}"

    # One broken third-party source makes an update fail although all that we need may have been fetched.
    up_to 3 apt_get update ||
        say "apt-get update failed; trying with the package lists that are there"
    local i
    for i in "${!missing[@]}"; do
        case ${missing[i]} in
            libboost) missing[i]=$(choose_boost) ;;
            libclang-rt) missing[i]=$(choose_clang_runtime) ;;
        esac
    done

    note "Installing: ${missing[*]} (a few minutes on a fresh machine)"
    local service
    local -a new_services=()
    for service in "${services[@]}"; do
        [[ " ${missing[*]} " != *" $service "* ]] || new_services+=("$service")
    done
    if ((${#new_services[@]})); then hold_back_services; fi
    up_to 3 apt_get -y --no-install-recommends install "${missing[@]}" ||
        die "could not install the packages; the lines above say why"
    for service in ${new_services[@]+"${new_services[@]}"}; do keep_stopped "$service"; done
}

# Hundreds of lines that nobody reads, unless it fails.
apt_get() {
    local log
    log=$(mktemp)
    if as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 \
        "$@" >"$log" 2>&1 9>&-; then
        rm -f "$log"
    else
        tail -n 30 "$log" >&2
        rm -f "$log"
        return 1
    fi
}

# libboost-dev is 1.83 on Ubuntu 24.04 and Debian 13, but 1.74 on Debian 12, which has 1.81 beside it.
choose_boost() {
    local version
    version=$(apt-cache policy libboost-dev | sed -n 's/^ *Candidate: //p')
    if dpkg --compare-versions "${version:-0}" ge 1.81; then
        echo libboost-dev
    elif apt-cache show libboost1.81-dev >/dev/null 2>&1; then
        if [[ $(installed libboost1.74-dev) ]]; then
            say "libboost1.81-dev replaces the installed libboost1.74-dev: the two cannot stand side by side"
        fi
        echo libboost1.81-dev
    else
        die "this distribution has no Boost 1.81 or newer; Debian 12 and 13 and Ubuntu 24.04 do"
    fi
}

# The sanitizers' runtime, of the version that `clang` is: a package of its own, and only recommended by the compiler.
choose_clang_runtime() {
    local version
    version=$(apt-cache depends clang | sed -n 's/^ *Depends: clang-\([0-9]*\)$/\1/p' | head -n 1)
    [[ $version ]] || die "cannot tell which version of clang this distribution has"
    echo "libclang-rt-$version-dev"
}

root_by=
find_root() {
    if ((EUID == 0)); then
        root_by=
    elif command -v sudo >/dev/null && { sudo -n true 2>/dev/null || [[ -t 0 ]]; }; then
        root_by=sudo
    else
        local names=${1//libboost/libboost1.81-dev (or libboost-dev, if that is 1.81 or newer)}
        die "installing packages needs root or sudo. As root: apt-get update && apt-get install ${names//libclang-rt/libclang-rt-N-dev (N as in clang-N)}"
    fi
}

as_root() { ${root_by:+"$root_by"} "$@"; }

# We need the programs, not services on their ports that nobody asked for. The policy file is the documented
# way to keep an installation from starting one; it goes again at once. An existing one is left alone.
services=(redis-server prometheus-redis-exporter prometheus)
policy=/usr/sbin/policy-rc.d
hold_back_services() {
    if [[ -e $policy ]]; then return; fi
    trap 'as_root rm -f "$policy"' EXIT
    # shellcheck disable=SC2016  # $1 is for the policy file
    printf '#!/bin/sh\ncase $1 in %s) exit 101 ;; esac\nexit 0\n' "$(printf '%s*\n' "${services[@]}" | paste -sd '|')" |
        as_root tee "$policy" >/dev/null
    as_root chmod 755 "$policy"
}

keep_stopped() {
    if [[ -d /run/systemd/system ]]; then
        as_root systemctl disable --quiet "$1.service" 2>/dev/null || true
        say "$1 is installed for its program; its system service is left disabled"
    fi
}

check_versions() {
    local major
    [[ $(command -v node) && $(command -v npm) ]] || die "node or npm is not on the path"
    major=$(node -p 'process.versions.node.split(".")[0]')
    ((major >= 18)) || die "node $major at $(command -v node) is too old: 18 or newer is needed"
}
