// The subcommands of bench_tool. Each says what it measured as one JSON object on one line.
#pragma once
#include <CLI/App.hpp>

namespace reprise::bench {

void add_replay(CLI::App& app);
void add_http_floor(CLI::App& app);
void add_stream_loop(CLI::App& app);
void add_fill(CLI::App& app);
void add_first_step(CLI::App& app);
void add_hold(CLI::App& app);
void add_open_loop(CLI::App& app);

} // namespace reprise::bench
