// Lines of the log about one run, each with what joins it to the caller's: the run, the claim's epoch, the request and the trace.
#pragma once
#include "common/log.hpp"
#include "common/queue/records.hpp"

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

namespace reprise::worker {

class run_log {
  public:
    run_log(const run_record& run, std::int64_t epoch) : run_(run), epoch_(epoch) {} // for one expression

    void debug(std::string_view event, std::initializer_list<log::field> f) const {
        say(log::level::debug, event, f);
    }
    void info(std::string_view event, std::initializer_list<log::field> f) const { say(log::level::info, event, f); }
    void warn(std::string_view event, std::initializer_list<log::field> f) const { say(log::level::warn, event, f); }
    void error(std::string_view event, std::initializer_list<log::field> f) const {
        say(log::level::error, event, f);
    }

  private:
    void say(log::level l, std::string_view event, std::initializer_list<log::field> more) const {
        if (!log::writes(l))
            return;
        std::vector<log::field> all{{"run", run_.id}, {"epoch", std::to_string(epoch_)}};
        all.insert(all.end(), more);
        for (const std::string_view name : {"request", "trace"})
            all.push_back({name, std::string(run_.fields.text(name))});
        log::write(l, event, all);
    }

    const run_record& run_;
    const std::int64_t epoch_;
};

} // namespace reprise::worker
