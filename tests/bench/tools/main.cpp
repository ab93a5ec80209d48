// What scripts/bench measures with where Python would be too slow: bare clients and servers.
#include "tests/bench/tools/commands.hpp"

#include <CLI/CLI.hpp>

#include <exception>
#include <iostream>

int main(int argc, char** argv) {
    CLI::App app("Bare clients and servers for scripts/bench");
    app.require_subcommand(1);
    reprise::bench::add_replay(app);
    reprise::bench::add_http_floor(app);
    reprise::bench::add_stream_loop(app);
    reprise::bench::add_fill(app);
    reprise::bench::add_first_step(app);
    reprise::bench::add_hold(app);
    reprise::bench::add_open_loop(app);
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& e) {
        return app.exit(e);
    } catch (const std::exception& e) {
        std::cerr << "bench_tool: " << e.what() << "\n";
        return 1;
    }
    return 0;
}
