// Plays many schedules on one Redis: each in a partition of its own, some dozens at a time, so that Redis is
// never waited for.
#pragma once
#include "tests/integration/interleavings/look.hpp"
#include "tests/integration/interleavings/play.hpp"

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace reprise::interleavings {

struct failed_play {
    std::uint64_t seed = 0;
    std::string why; // with the last steps that led there
};

class stage {
  public:
    struct programme {
        std::function<std::unique_ptr<play>(std::uint64_t seed, state first)> make;
        std::function<std::string(std::uint64_t seed)> quota; // runs that the organisation may start, or empty
    };

    explicit stage(wire& w); // loads the library of functions
    // The first that fails, if any does.
    std::optional<failed_play> perform(const programme& p, std::uint64_t first_seed, std::uint64_t count);

    // How often each function answered what, and each event came: shows what the schedules reached.
    const std::map<std::string, std::int64_t>& tally() const { return tally_; }

  private:
    struct lane {
        std::uint64_t seed = 0;
        std::string prefix;
        std::unique_ptr<look> eyes;
        std::unique_ptr<play> on;
        request asked;
        bool waiting = false, over = false;
    };
    std::optional<failed_play> perform_together(const programme& p, std::uint64_t first_seed, std::uint64_t count);
    std::vector<lane> open(const programme& p, std::uint64_t first_seed, std::uint64_t count);
    void send(lane& l);
    void receive(lane& l);

    wire& wire_;
    std::string function_prefix_;
    std::map<std::string, std::int64_t> tally_;
};

} // namespace reprise::interleavings
