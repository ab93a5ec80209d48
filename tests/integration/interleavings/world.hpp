// What the actors of a schedule share: chance, the network between them and Redis, and the record of what happened.
#pragma once
#include "tests/integration/interleavings/model.hpp"

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace reprise::interleavings {

// The same numbers from the same seed, with any library.
class dice {
  public:
    explicit dice(std::uint64_t seed) : state_(seed) {}
    std::size_t below(std::size_t n) { return static_cast<std::size_t>(next() % n); } // n > 0
    bool percent(unsigned p) { return next() % 100 < p; }
    template <class T>
    T& among(std::vector<T>& all) {
        return all[below(all.size())];
    }

  private:
    std::uint64_t next() { // splitmix64
        std::uint64_t z = (state_ += 0x9e3779b97f4a7c15);
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
        z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
        return z ^ (z >> 31);
    }
    std::uint64_t state_;
};

// On its way: to Redis, or with the answer back. It may arrive at any later time, in any order, or never.
struct message {
    bool is_request = true;
    std::size_t actor = 0;
    int issue = 0; // which try of the actor's it belongs to
    call what;
    answer told;
    std::int64_t sent_at = 0;
    bool late = false; // a copy that takes another way: not in order
};

struct world {
    world(model& told, std::uint64_t seed) : m(told), chance(seed) {}

    void note(std::string line) { trace.push_back(std::move(line)); }
    std::string fresh(const char* what) { return fmt::format("{}{}", what, ++names); }

    model& m;
    dice chance;
    std::vector<message> network;
    std::vector<order> orders; // with an idempotency key, to be sent again
    std::vector<std::string> trace;
    int names = 0, issues = 0;
};

} // namespace reprise::interleavings
