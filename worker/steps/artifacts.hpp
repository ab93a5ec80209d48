// From what a step left in its directory to blobs. Blocking; called on a pool.
#pragma once
#include "common/error.hpp"
#include "worker/pipeline/pipeline.hpp"

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace reprise::worker {

// A file to be stored, already digested.
struct produced_file {
    std::string key, content_type;
    std::filesystem::path file;
    std::string sha256;
    std::uint64_t bytes = 0;
};

// What the rules name below `directory`; directories become deterministic .tar.gz files in `scratch`. Only
// regular files are taken, links and devices never; step_output_missing or step_output_limit otherwise. Throws
// outage if the worker's own disk cannot be written.
result<std::vector<produced_file>> collect(const std::vector<artifact_rule>& rules,
                                           const std::filesystem::path& directory,
                                           const std::filesystem::path& scratch);

// Throws outage: the worker's disk is full, or cannot be written.
void write_file(const std::filesystem::path& to, std::string_view bytes);

// A file made by us, and one of these: what a step logged, as logs/<step>.txt.
produced_file digested(std::string key, std::string content_type, std::filesystem::path file);
produced_file log_file(const std::filesystem::path& directory, const std::string& step, std::string_view text);

} // namespace reprise::worker
