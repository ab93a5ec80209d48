// reprise-worker: takes runs and works on them. Reads the command line; worker.cpp does the rest.
#include "common/log.hpp"
#include "worker/command/warden.hpp"
#include "worker/worker.hpp"

#include <CLI/CLI.hpp>
#include <sys/prctl.h>

#include <csignal>
#include <iostream>
#include <string_view>

int main(int argc, char** argv) {
    // Not a command of the user's: how the worker starts the process that watches over a step
    // (command/warden.hpp).
    if (argc > 1 && std::string_view(argv[1]) == "warden")
        return reprise::worker::warden_main(argc, argv);

    CLI::App app("Works on the runs that reprise-api accepts. Every setting is also read from the environment.");
    app.set_version_flag("--version", REPRISE_VERSION);
    reprise::worker::worker_settings settings;
    settings.add_to(app);
    bool health = false;
    app.add_flag("--health", health, "say whether the worker of this host (or --name) is alive, and end");
    if (const auto status = reprise::read_command_line(app, argc, argv))
        return *status;

    std::signal(SIGPIPE, SIG_IGN);
    std::signal(SIGCHLD, SIG_IGN); // wardens are reaped by the kernel
    ::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0,
            0); // what a killed warden leaves behind comes to us (command/warden.hpp)
    try {
        settings.validate();
        reprise::log::configure(settings.common.log_level, "worker");
    } catch (const std::invalid_argument& e) {
        std::cerr << "reprise-worker: " << e.what() << "\n";
        return reprise::configuration_error;
    }
    return health ? reprise::worker::check_health(settings) : reprise::worker::work(settings);
}
