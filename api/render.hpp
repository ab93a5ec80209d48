// Runs and projects as JSON, exactly as the contract names their fields. Pure.
#pragma once
#include "api/fleet.hpp"
#include "common/json/writer.hpp"
#include "common/queue/run_queue.hpp"

#include <optional>
#include <string>
#include <vector>

namespace reprise::api {

// `no_worker`: a queued run reads as needs_worker when nobody is there to take it.
std::string render_run(const run_record& r, bool no_worker);
// The same for a run that was accepted just now, from inputs that are known: `inputs` are what its record names.
void write_queued_run(json::writer& w, const run_record& r, const std::vector<struct retained_input>& inputs,
                      bool no_worker);
std::string render_project(const record& p);
// With what an accept has just made of it, which `p` need not know yet.
void write_project(json::writer& w, const record& p, std::int64_t runs, unix_ms updated);
// `start_s`: seconds until the run is likely to be taken, if that is known. `paused`: not before somebody resumes its queue.
// `oldest_s`: for how long the run has waited that waits longest; a second old.
void write_capabilities(json::writer& w, const accepted_run& a, const fleet_facts& f, bool paused,
                        const std::string& durability, std::int64_t oldest_s, std::optional<std::int64_t> start_s);

// The record of a run that was accepted just now, as Redis holds it.
run_record record_of(const new_run& n, const accepted_run& a);

std::string notes_of(const run_record& r);

// A file of the manifest.
struct artifact {
    std::string key, sha256, content_type;
    std::int64_t bytes = 0;
};
std::vector<artifact> artifacts_of(const run_record& r); // retained inputs first

// The inputs as the input summary names them.
struct retained_input {
    std::string name; // openapi, config, oldSdk
    std::string sha256, file_name;
    std::int64_t bytes = 0;
};
std::vector<retained_input> inputs_of(const run_record& r);

} // namespace reprise::api
