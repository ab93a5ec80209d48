// One schedule: it says what Redis is to be asked next, and hears the answer before the model checks it.
#pragma once
#include "tests/integration/interleavings/model.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace reprise::interleavings {

// A call; or, without one, time that passes.
struct request {
    std::optional<call> asked;
    std::int64_t pass = 0;
    bool watched = false; // sweeps went on meanwhile
};

class play {
  public:
    explicit play(state first) : model_(std::move(first)) {}
    virtual ~play() = default;
    play(const play&) = delete;
    play& operator=(const play&) = delete;

    virtual std::optional<request> next() = 0; // nothing: it is over. Throws violation
    virtual void heard(const answer& a) = 0;   // to the last request; of time, nothing
    virtual const std::vector<std::string>& trace() const = 0;
    model& told() { return model_; }

  protected:
    model model_;
};

} // namespace reprise::interleavings
