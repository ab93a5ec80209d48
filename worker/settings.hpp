#pragma once
#include "common/settings.hpp"

#include <string>

namespace reprise::worker {

struct worker_settings {
    common_settings common;
    std::string name; // default: host-pid-random
    unsigned concurrency = 2;
    std::string toolchain; // directory of the generators; where {toolchain} in pipelines leads
    std::string pipelines; // file; empty: the built-in ones
    std::string work_dir;  // private directories of steps; default: TMPDIR or /tmp
    std::string step_path; // PATH of commands; default: the worker's own, so that its node is theirs
    unsigned drain_s = 25;

    void add_to(CLI::App& app);
    void validate() const; // throws std::invalid_argument that names the setting
};

} // namespace reprise::worker
