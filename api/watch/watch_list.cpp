#include "api/watch/watch_list.hpp"

#include "api/auth/caller.hpp"

namespace reprise::api {
namespace asio = boost::asio;

namespace {
constexpr std::size_t most_shown = 64; // to an onlooker in one piece
constexpr std::size_t most_told = 256; // not taken by a slow reader: it looks at the run instead
} // namespace

void watch_list::deliver(const std::vector<fed_event>& events) {
    for (auto* o : onlookers_)
        for (const auto& e : events)
            o->tell(e);
    if (by_run_.empty())
        return;
    for (const auto& e : events) {
        const auto [first, last] = by_run_.equal_range(e.run);
        for (auto w = first; w != last; ++w)
            w->second->tell(e.what);
    }
}

void watch_list::look_again() {
    for (auto& [run, w] : by_run_) {
        w->must_look = true;
        w->wake();
    }
}

void watch_list::close() {
    closed_ = true;
    for (auto& [run, w] : by_run_)
        w->wake();
    for (auto* o : onlookers_)
        o->wake();
}

onlooker::onlooker(watch_list& list, std::string org) : list_(list), org_(std::move(org)), signal_(list.executor()) {
    list_.onlookers_.push_back(this);
    if (list_.watched_.enter_all())
        list_.wanted_();
}

onlooker::~onlooker() {
    std::erase(list_.onlookers_, this);
    list_.watched_.leave_all();
}

void onlooker::tell(const fed_event& e) {
    if (org_ != every_org && e.org != org_)
        return;
    if (told_.size() < most_shown)
        told_.push_back(e);
    else
        ++skipped_;
    wake();
}

asio::awaitable<void> onlooker::wait(std::chrono::steady_clock::time_point until) {
    if (!list_.closed_)
        co_await signal_.wait(until);
}

watcher::watcher(watch_list& list, std::string run)
    : list_(list), run_(std::move(run)), place_(list.by_run_.emplace(run_, this)), signal_(list.executor()) {
    if (list_.watched_.enter(run_))
        list_.wanted_();
}

watcher::~watcher() {
    list_.by_run_.erase(place_);
    list_.watched_.leave(run_);
}

void watcher::tell(const run_event& e) {
    if (told_.size() >= most_told) {
        told_.clear();
        must_look = true;
    } else if (!must_look) {
        told_.push_back(e);
    }
    wake();
}

asio::awaitable<void> watcher::wait(std::chrono::steady_clock::time_point until) {
    if (!list_.closed_)
        co_await signal_.wait(until);
}

} // namespace reprise::api
