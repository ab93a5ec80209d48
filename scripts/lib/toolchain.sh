# shellcheck shell=bash
# Sourced by setup: what comes by npm and pip, from lock files: the generators that the worker runs (worker/toolchain), what the
# dashboard is bundled with (api/dashboard), and the browser that its tests drive (tests/browser).
# A stamp inside what was installed says from which lock file, and is written last: what was
# interrupted half way is done again.

toolchain=$root/worker/toolchain
dashboard=$root/api/dashboard
browser=$root/tests/browser

# install_toolchain PURPOSE: as for packages; only tests need the browser.
install_toolchain() {
    local file
    for file in "$toolchain"/{package.json,package-lock.json,requirements.txt} "$dashboard"/package{,-lock}.json; do
        [[ -f $file ]] || die "${file#"$root"/} is missing: the checkout is incomplete"
    done
    if all_is_current "$1"; then return; fi
    locked "$root/build/.toolchain.lock" install_what_changed "$1"
}

all_is_current() {
    node_modules_are_current "$toolchain" && node_modules_are_current "$dashboard" && venv_is_current &&
        { [[ $1 != test ]] || browser_is_current; }
}
browser_is_current() { [[ $(cat "$browser/chromium/.stamp" 2>/dev/null) == "$(node_stamp "$browser")" ]]; }
node_modules_are_current() { [[ $(cat "$1/node_modules/.stamp" 2>/dev/null) == "$(node_stamp "$1")" ]]; }
venv_is_current() { [[ $(cat "$toolchain/venv/.stamp" 2>/dev/null) == "$(venv_stamp)" ]]; }

node_stamp() { digest_of "$1/package-lock.json" "$1/package.json"; }
# A virtual environment holds absolute paths and belongs to one Python: a checkout that was moved needs a new one.
venv_stamp() { echo "$(digest_of "$toolchain/requirements.txt") $(python_version) $toolchain"; }

digest_of() { cat "$@" | sha256sum | cut -d ' ' -f 1; }
python_version() { "$(python)" -c 'import sys; print("%d.%d" % sys.version_info[:2])'; }

# The distribution's Python first: one that a user's version manager put on the path may be gone tomorrow.
python() {
    if [[ -x /usr/bin/python3 ]]; then echo /usr/bin/python3; else command -v python3; fi
}

install_what_changed() {
    install_node_modules "$toolchain" "the Node generators"
    install_node_modules "$dashboard" "what the dashboard is bundled with"
    if [[ $1 == test ]]; then install_browser; fi
    if ! venv_is_current; then
        "$(python)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
            die "$(python) is older than Python 3.11"
        note "Installing the Python generator into worker/toolchain/venv (pip, from requirements.txt with hashes)"
        rm -rf "$toolchain/venv"
        "$(python)" -m venv "$toolchain/venv" >&2 || die "could not make a virtual environment"
        up_to 3 pip_install || die "pip install failed; the lines above say why"
        venv_stamp >"$toolchain/venv/.stamp"
    fi
}

install_node_modules() {
    node_modules_are_current "$1" && return
    note "Installing $2 into ${1#"$root"/}/node_modules (npm ci, from package-lock.json)"
    up_to 3 npm_ci "$1" || die "npm ci failed; the lines above say why"
    node_stamp "$1" >"$1/node_modules/.stamp"
}

install_browser() {
    browser_is_current && return
    install_node_modules "$browser" "the browser of the tests"
    node "$browser/unpack.mjs" "$browser/chromium" || die "could not unpack the browser of the tests"
    node_stamp "$browser" >"$browser/chromium/.stamp"
}

# No install scripts and no building from source: nothing that a package brings runs while it is installed.
npm_ci() { (cd "$1" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error) >&2; }
pip_install() {
    "$toolchain/venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-input \
        --only-binary :all: --require-hashes -r "$toolchain/requirements.txt" >&2
}
