// Commands that a program was seen to send, and ids of runs to send them again for other runs: an id has one length, so
// it is written over the recorded one.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace reprise::bench {

// Ids of the partition of `like`, well-formed, the same for the same origin: what was accepted under the number n can be
// finished under it.
class run_ids {
  public:
    run_ids(std::string_view like, std::uint64_t origin); // throws std::invalid_argument
    static std::uint64_t fresh_origin();
    std::string operator[](std::uint64_t n) const;

  private:
    unsigned partition_;
    std::uint64_t origin_, began_ms_;
};

class recorded {
  public:
    // One command or several, as they go over the wire. `id` may be empty: the same each time.
    recorded(std::string bytes, std::string_view id);
    static recorded from_file(const std::string& path, std::string_view id);

    void append_to(std::string& out, std::string_view id) const;
    std::size_t replies() const { return commands_; }

  private:
    std::string bytes_;
    std::vector<std::size_t> places_; // where an id stands
    std::size_t commands_ = 0;
};

} // namespace reprise::bench
