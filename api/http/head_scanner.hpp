// Looks at the head of a request (its first line and its fields) while it arrives, before Beast parses it: where it ends,
// and that it is written as RFC 9112 has it, so that no proxy in front reads another request than we do. Beast before 1.92
// joins folded lines and takes what is no HTTP for an unknown method. Pure; each byte is looked at once.
#pragma once
#include <cstddef>
#include <string_view>

namespace reprise::api {

class head_scanner {
  public:
    enum class verdict { incomplete, complete, malformed, too_large };

    explicit head_scanner(std::size_t most_bytes) : most_(most_bytes) {}

    // `received` begins with the head's first byte, and with what an earlier call was given. A verdict other than
    // `incomplete` is the last.
    verdict look(std::string_view received);

    std::size_t size() const { return seen_; }                // of a complete head, its empty line included
    std::string_view what_is_wrong() const { return wrong_; } // with a malformed one

  private:
    enum class place { method, target, version, first_line_feed, field, name, value, line_feed, last_line_feed };
    // Goes on to the place that follows; answers false if `c` must not stand here.
    bool step(unsigned char c);
    bool go(place next);
    bool refuse(std::string_view why);

    const std::size_t most_;
    std::size_t seen_ = 0;
    std::size_t in_place_ = 0; // characters of the method, the target, or the version seen so far
    place place_ = place::method;
    bool complete_ = false;
    std::string_view wrong_;
};

} // namespace reprise::api
