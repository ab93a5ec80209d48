# shellcheck shell=bash
# Sourced by setup: the generators that the worker runs, from the lock files in worker/toolchain.
# A stamp inside what was installed says from which lock file, and is written last: what was
# interrupted half way is done again.

toolchain=$root/worker/toolchain

install_toolchain() {
    local file
    for file in package.json package-lock.json requirements.txt; do
        [[ -f $toolchain/$file ]] || die "worker/toolchain/$file is missing: the checkout is incomplete"
    done
    if toolchain_is_current; then return; fi
    locked "$root/build/.toolchain.lock" install_what_changed
}

toolchain_is_current() { node_modules_are_current && venv_is_current; }
node_modules_are_current() { [[ $(cat "$toolchain/node_modules/.stamp" 2>/dev/null) == "$(node_stamp)" ]]; }
venv_is_current() { [[ $(cat "$toolchain/venv/.stamp" 2>/dev/null) == "$(venv_stamp)" ]]; }

node_stamp() { digest_of "$toolchain/package-lock.json" "$toolchain/package.json"; }
# A virtual environment holds absolute paths and belongs to one Python: a checkout that was moved needs a new one.
venv_stamp() { echo "$(digest_of "$toolchain/requirements.txt") $(python_version) $toolchain"; }

digest_of() { cat "$@" | sha256sum | cut -d ' ' -f 1; }
python_version() { "$(python)" -c 'import sys; print("%d.%d" % sys.version_info[:2])'; }

# The distribution's Python first: one that a user's version manager put on the path may be gone tomorrow.
python() {
    if [[ -x /usr/bin/python3 ]]; then echo /usr/bin/python3; else command -v python3; fi
}

install_what_changed() {
    if ! node_modules_are_current; then
        note "Installing the Node generators into worker/toolchain/node_modules (npm ci, from package-lock.json)"
        up_to 3 npm_ci || die "npm ci failed; the lines above say why"
        node_stamp >"$toolchain/node_modules/.stamp"
    fi
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

# No install scripts and no building from source: nothing that a package brings runs while it is installed.
npm_ci() { (cd "$toolchain" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error) >&2; }
pip_install() {
    "$toolchain/venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-input \
        --only-binary :all: --require-hashes -r "$toolchain/requirements.txt" >&2
}
