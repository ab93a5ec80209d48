// What a serving thread remembers of runs that are retried, and of projects. A run's record says by `seq` which state it is
// of, and accept answers the `seq` of the source: what is remembered costs no read of Redis, and is never shown when it is old.
//
// A run is found by its organisation and its id only: to another organisation it is no less unknown than before, and asking
// for it costs the same calls. Bounded; what does not fit is read again.
#pragma once
#include "api/render.hpp"
#include "common/queue/records.hpp"

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace reprise::api {

// A run that is being retried, with what retries need of it.
class source_run {
  public:
    explicit source_run(run_record r);
    const run_record& record() const { return record_; }
    const std::vector<retained_input>& inputs() const { return inputs_; }
    const std::string& notes() const { return notes_; }
    std::string_view rendered(bool no_worker) const; // as render_run; made once

  private:
    const run_record record_;
    const std::vector<retained_input> inputs_;
    const std::string notes_;
    mutable std::string rendered_[2];
};

class known_sources {
  public:
    std::shared_ptr<const source_run> find(std::string_view org, std::string_view id) const; // null if not remembered
    std::shared_ptr<const source_run> remember(run_record r);

    // For two seconds. Null if it is not remembered; else valid until the next call of remember_project.
    const record* find_project(const std::string& id) const;
    void remember_project(const std::string& id, record fields);

  private:
    struct known_project {
        record fields;
        std::chrono::steady_clock::time_point until;
    };
    std::unordered_map<std::string, std::shared_ptr<const source_run>> runs_; // by `org run`
    std::unordered_map<std::string, known_project> projects_;
    std::size_t bytes_ = 0; // of the records of runs_
};

} // namespace reprise::api
