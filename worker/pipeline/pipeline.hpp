// Pipelines: for each mode a list of steps, from a JSON file (default_pipelines.json shows all there is to say).
#pragma once
#include "common/error.hpp"

#include <chrono>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace reprise::worker {

struct artifact_rule {
    std::string key;  // under which it is downloaded
    std::string path; // in the step's directory: a file, or a directory to be archived
    std::string content_type;
    bool archive = false; // as .tar.gz
};

struct step_rule {
    std::string name;
    std::string builtin; // verify_inputs, validate_spec, quality_gate, noop; or empty. Runs before the command.
    std::string tool;    // that the command needs; empty if any host can run it
    std::vector<std::string> argv; // with {toolchain}, {tool}, {document}; empty: no command
    std::vector<int> ok_exit_codes{0};
    std::string stdout_file; // where standard output goes; empty: into the log with standard error
    std::chrono::seconds timeout{120};
    std::int64_t memory_mib = 2048;
    int attempts = 3;
    bool required = true;
    std::vector<artifact_rule> artifacts;

    std::string digest() const; // of what decides the step's result; part of the plan
    // It is over as it begins: it is told of by its end alone.
    bool takes_no_time() const { return builtin == "noop" && argv.empty(); }
};

struct pipeline {
    std::vector<step_rule> steps;
    std::string plan; // name and digest of each step, in turn
};

class pipelines {
  public:
    // Throws std::invalid_argument that says what is wrong. `toolchain` takes the place of {toolchain}.
    static pipelines parse(std::string_view json, const std::string& toolchain);
    static pipelines built_in(const std::string& toolchain);
    static pipelines from_file(const std::string& file, const std::string& toolchain);

    const pipeline& of_mode(std::string_view mode) const; // the default for modes that the file does not name
    // Path of a tool; a tool is there when its file is.
    const std::map<std::string, std::string>& tools() const { return tools_; }
    // Separated by spaces: tools whose file is there now, and modes that the file names.
    std::string tools_here() const;
    std::string modes() const;
    std::set<std::string> step_names() const;

  private:
    std::map<std::string, std::string> tools_;
    std::map<std::string, pipeline, std::less<>> by_mode_;
};

} // namespace reprise::worker
