#pragma once
#include <atomic>
#include <cstddef>

namespace reprise::api {

// The memory that bodies of all requests together may take. A request takes its share before it reads its body, and gives
// it back when it ends.
class body_space {
  public:
    explicit body_space(std::atomic<std::size_t>& taken) : taken_(taken) {}
    ~body_space() { taken_ -= mine_; }
    body_space(const body_space&) = delete;
    body_space& operator=(const body_space&) = delete;

    // Answers false, and takes nothing, when there is not so much left.
    bool take(std::size_t bytes) {
        if (taken_.fetch_add(bytes) + bytes > most) {
            taken_ -= bytes;
            return false;
        }
        mine_ += bytes;
        return true;
    }

  private:
    static constexpr std::size_t most = std::size_t{512} << 20;
    std::atomic<std::size_t>& taken_;
    std::size_t mine_ = 0;
};

} // namespace reprise::api
