# shellcheck shell=bash
# Sourced after common.sh by lint and format: which files are ours.

# our_files PATTERN...: tracked files and new ones, without what .gitignore leaves out.
our_files() {
    (
        cd "$root" || return
        if git rev-parse --is-inside-work-tree >/dev/null 2>&1; then
            git ls-files --cached --others --exclude-standard --deduplicate -- "$@" | while IFS= read -r file; do
                [[ ! -f $file ]] || echo "$file"
            done
        else
            local pattern
            for pattern; do
                find . \( -name node_modules -o -name venv -o -name build -o -name '.?*' \) -prune \
                    -o -type f -name "${pattern##*/}" -print | sed 's#^\./##'
            done
        fi
    )
}

cpp_files() { our_files '*.cpp' '*.hpp' '*.h'; }

need() { command -v "$1" >/dev/null || die "no $1 on the path; scripts/setup --lint installs it"; }
