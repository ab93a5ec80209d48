// The memory that bodies of all requests together may take, of all callers and of each. Shared by all threads.
#pragma once
#include <cstddef>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

namespace reprise::api {

class body_budget {
  public:
    // Answers false, and takes nothing, when there is not so much left, or the key has its share already.
    bool take(const std::string& key, std::size_t bytes) {
        const std::lock_guard held(lock_);
        auto& of_key = taken_by_[key];
        if (taken_ + bytes > most || of_key + bytes > most_of_one_key) {
            if (of_key == 0)
                taken_by_.erase(key);
            return false;
        }
        taken_ += bytes;
        of_key += bytes;
        return true;
    }

    void give_back(const std::string& key, std::size_t bytes) {
        const std::lock_guard held(lock_);
        taken_ -= bytes;
        if (const auto found = taken_by_.find(key); found != taken_by_.end() && (found->second -= bytes) == 0)
            taken_by_.erase(found);
    }

  private:
    static constexpr std::size_t most = std::size_t{512} << 20, most_of_one_key = most / 4;
    std::mutex lock_;
    std::size_t taken_ = 0;
    std::unordered_map<std::string, std::size_t> taken_by_; // none is 0
};

// What one request has taken, before it reads its body, and gives back when it ends. A small body needs none.
class body_space {
  public:
    static constexpr std::size_t small = 64 << 10;

    explicit body_space(body_budget& b) : budget_(b) {}
    ~body_space() {
        if (mine_ > 0)
            budget_.give_back(key_, mine_);
    }
    body_space(const body_space&) = delete;
    body_space& operator=(const body_space&) = delete;

    bool take(std::string_view key, std::size_t bytes) {
        if (bytes <= small)
            return true;
        key_ = key;
        if (!budget_.take(key_, bytes))
            return false;
        mine_ = bytes;
        return true;
    }

  private:
    body_budget& budget_;
    std::string key_;
    std::size_t mine_ = 0;
};

} // namespace reprise::api
