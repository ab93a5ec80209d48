#include "worker/settings.hpp"

#include "common/run/org.hpp"

#include <CLI/CLI.hpp>

#include <cstdlib>
#include <filesystem>
#include <stdexcept>

namespace reprise::worker {

void worker_settings::add_to(CLI::App& app) {
    work_dir = std::filesystem::temp_directory_path().string();
    add_setting(app, "--name", name, "REPRISE_NAME", "id of this worker (default: host-pid-random)");
    add_setting(app, "--concurrency", concurrency, "REPRISE_CONCURRENCY", "runs worked on at once");
    add_setting(app, "--toolchain", toolchain, "REPRISE_TOOLCHAIN", "directory of the generators (worker/toolchain)");
    add_setting(app, "--pipelines", pipelines, "REPRISE_PIPELINES", "file with the pipelines (default: built in)");
    add_setting(app, "--work-dir", work_dir, "REPRISE_WORK_DIR", "where steps get their private directories");
    const char* own_path = std::getenv("PATH");
    step_path = own_path ? own_path : "/usr/local/bin:/usr/bin:/bin";
    add_setting(app, "--step-path", step_path, "REPRISE_STEP_PATH",
                "PATH of the commands of steps (default: the worker's)");
    add_setting(app, "--drain", drain_s, "REPRISE_DRAIN", "seconds that runs in hand may take after TERM");
    common.add_to(app);
}

void worker_settings::validate() const {
    common.validate();
    if (!name.empty() && !is_org_name(name))
        throw std::invalid_argument("REPRISE_NAME takes 1 to 64 letters, digits, dots, dashes and underscores");
    if (concurrency < 1 || concurrency > 4096)
        throw std::invalid_argument("REPRISE_CONCURRENCY must be 1 to 4096");
    if (!toolchain.empty() && !std::filesystem::path(toolchain).is_absolute())
        throw std::invalid_argument("REPRISE_TOOLCHAIN must be an absolute path");
    if (!std::filesystem::is_directory(work_dir))
        throw std::invalid_argument("REPRISE_WORK_DIR is not a directory: " + work_dir);
}

} // namespace reprise::worker
