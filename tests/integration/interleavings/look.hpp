// Reads a whole state: plain commands, sent together, with nobody else calling in between. And makes time pass.
#pragma once
#include "tests/integration/interleavings/model.hpp"
#include "tests/integration/interleavings/wire.hpp"

#include <cstdint>
#include <string>

namespace reprise::interleavings {

class look {
  public:
    look(wire& w, std::string prefix);
    static void prepare(wire& w); // once for a Redis

    void send(const model* known); // null: before there are runs or keys
    state receive(const state* before);
    void send_time(const model& known, std::int64_t ms, bool watched); // answers 'ok'

  private:
    wire& wire_;
    std::string prefix_, always_; // commands that are the same each time, encoded
    std::string last_event_ = "-";
};

} // namespace reprise::interleavings
