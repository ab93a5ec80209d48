# shellcheck shell=bash
# Sourced after common.sh by the scripts that need the programs.

# build_programs PRESET [TARGET...]: configures when needed and builds; all targets when none is named.
build_programs() {
    local preset=$1
    [[ -f $root/CMakePresets.json ]] || die "no CMakePresets.json in $root: the checkout is incomplete"
    locked "$root/build/$preset/.lock" configure_and_build "$@" >&2
}

configure_and_build() {
    local preset=$1 dir=$root/build/$1 cache=$root/build/$1/CMakeCache.txt
    shift
    cd "$root" || return
    if [[ -f $cache ]] && ! grep -qxF "CMAKE_HOME_DIRECTORY:INTERNAL=$root" "$cache"; then
        # CMake refuses a cache that was made where the checkout lay before.
        note "The checkout has moved: configuring build/$preset anew"
        cmake --fresh --preset "$preset"
    elif [[ ! -f $dir/build.ninja || CMakePresets.json -nt $dir/build.ninja ]]; then
        note "Configuring build/$preset"
        cmake --preset "$preset"
    fi
    note "Building build/$preset"
    cmake --build --preset "$preset" -j "$(build_jobs)" ${1:+--target "$@"}
}

# A translation unit full of Boost templates takes over a gigabyte: on a small machine with many cores
# the build would otherwise be killed for want of memory.
build_jobs() {
    local cores memory
    cores=$(nproc)
    memory=$(awk '/^MemAvailable:/ { print int($2 / 1500000) }' /proc/meminfo)
    ((memory >= 1)) || memory=1
    echo $((cores < memory ? cores : memory))
}
