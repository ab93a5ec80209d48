// Which runs are watched in this process, and by how many. The feed asks before it makes anything of an event: on a busy Redis
// nearly all events are about runs that nobody watches. Any thread may call everything.
#pragma once
#include <atomic>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

namespace reprise::api {

class watched_runs {
  public:
    // Answers whether nobody watched anything before.
    bool enter(const std::string& run) {
        const std::lock_guard held(lock_);
        ++by_run_[run];
        return watchers_.fetch_add(1) == 0;
    }
    void leave(const std::string& run) {
        const std::lock_guard held(lock_);
        if (const auto at = by_run_.find(run); --at->second == 0)
            by_run_.erase(at);
        watchers_.fetch_sub(1);
    }
    // The same of those who watch everything.
    bool enter_all() {
        ++onlookers_;
        return watchers_.fetch_add(1) == 0;
    }
    void leave_all() {
        --onlookers_;
        watchers_.fetch_sub(1);
    }
    bool is_all_watched() const { return onlookers_ > 0; }
    int watchers() const { return watchers_; }

    // Calls `ask` with what answers whether a run is watched; it is locked meanwhile, once for many questions.
    template <class Ask>
    void look(Ask ask) const {
        const std::lock_guard held(lock_);
        ask([this](std::string_view run) { return by_run_.find(run) != by_run_.end(); });
    }

  private:
    struct hash {
        using is_transparent = void;
        std::size_t operator()(std::string_view s) const { return std::hash<std::string_view>()(s); }
    };
    mutable std::mutex lock_;
    std::unordered_map<std::string, int, hash, std::equal_to<>> by_run_;
    std::atomic<int> watchers_ = 0, onlookers_ = 0; // those who watch everything are counted in both
};

} // namespace reprise::api
