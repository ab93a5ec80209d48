#include "api/watch/feed.hpp"

#include "common/log.hpp"
#include "common/queue/keys.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace reprise::api {
namespace asio = boost::asio;

namespace {

constexpr auto longest_wait = std::chrono::milliseconds(1000);
constexpr auto after_failure = std::chrono::milliseconds(500);
// Between two reads that found something: Redis wakes a blocked reader for each command that writes, thousands of times a second.
constexpr auto between_reads = std::chrono::milliseconds(5);
constexpr const char* most_at_once = "1000";

redis::options patient(redis::options o) {
    o.name += "-feed";
    o.reply_timeout += longest_wait;
    o.prompt = false;
    return o;
}

// Of {field, value, field, value ...}; empty if it is not there.
std::string_view value_of(redis::reply_view fields, std::string_view name) {
    for (std::size_t i = 0; i + 1 < fields.size(); i += 2)
        if (fields[i].text() == name)
            return fields[i + 1].text();
    return {};
}

// An entry is {id, {field, value, ...}}.
fed_event read_entry(std::string_view run, redis::reply_view fields, bool whole) {
    fed_event e;
    e.run = run;
    e.what.seq = number_of(value_of(fields, "seq"));
    e.what.at = number_of(value_of(fields, "at"));
    e.what.type = value_of(fields, "type");
    e.what.step = value_of(fields, "name");
    if (whole) {
        e.org = value_of(fields, "org");
        e.project = value_of(fields, "project");
        e.by = value_of(fields, "by");
        e.cause = value_of(fields, "cause");
    }
    return e;
}

} // namespace

feed::feed(redis::options o, unsigned partitions) : options_(patient(std::move(o))), partitions_(partitions) {}

feed::~feed() {
    stop();
}

void feed::start() {
    for (unsigned p = 0; p < partitions_; ++p) {
        connections_.push_back(std::make_unique<redis::connection>(io_.get_executor(), options_));
        asio::co_spawn(io_, read_partition(p), [](std::exception_ptr failed) {
            try {
                if (failed)
                    std::rethrow_exception(failed);
            } catch (const std::exception& e) {
                log::error("loop_failed", {{"loop", "feed"}, {"why", e.what()}});
            }
        });
    }
    thread_ = std::thread([this] { io_.run(); });
}

void feed::stop() {
    io_.stop();
    if (thread_.joinable())
        thread_.join();
}

void feed::wanted() {
    asio::post(io_, [this] { asleep_.cancel(); });
}

// A look at the watchers and the beginning of the wait are not interrupted by wanted()'s handler: it runs on this thread.
asio::awaitable<void> feed::sleep_until_wanted() {
    while (watched_.watchers() == 0) {
        boost::system::error_code ignored;
        co_await asleep_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    }
}

asio::awaitable<void> feed::sleep(std::chrono::milliseconds d) {
    boost::system::error_code ignored;
    asio::steady_timer pause(io_, d);
    co_await pause.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
}

void feed::tell_all_to_look() {
    for (auto* list : lists_)
        asio::post(list->executor(), [list] { list->look_again(); });
}

asio::awaitable<std::string> feed::last_id(redis::connection& c, const std::string& stream) {
    const auto last = co_await c.call(redis::command::of("XREVRANGE", stream, "+", "-", "COUNT", "1"));
    if (last.size() == 0)
        co_return "0-0";
    co_return std::string(last[0][0].text());
}

asio::awaitable<void> feed::read_partition(unsigned partition) {
    auto& redis = *connections_.at(partition);
    const auto stream = keys::events(partition);
    const auto block = std::to_string(longest_wait.count());
    std::string after; // id of the last entry read; empty: begin anew
    for (;;) {
        if (watched_.watchers() == 0) {
            co_await sleep_until_wanted();
            after.clear();
        }
        bool failed = false;
        try {
            if (after.empty()) {
                after = co_await last_id(redis, stream);
                tell_all_to_look(); // what happened before is not told
            }
            const auto r = co_await redis.call(
                redis::command::of("XREAD", "COUNT", most_at_once, "BLOCK", block, "STREAMS", stream, after));
            if (!r.is_nil()) {
                const auto entries = r[0][1];
                auto batch = std::make_shared<std::vector<fed_event>>();
                const bool all = watched_.is_all_watched();
                watched_.look([&](auto is_watched) {
                    for (std::size_t i = 0; i < entries.size(); ++i)
                        if (const auto run = value_of(entries[i][1], "run"); all || is_watched(run))
                            batch->push_back(read_entry(run, entries[i][1], all));
                });
                after = entries[entries.size() - 1][0].text();
                if (!batch->empty())
                    for (auto* list : lists_)
                        asio::post(list->executor(), [list, batch] { list->deliver(*batch); });
                co_await sleep(between_reads);
            }
        } catch (const outage& e) {
            failed = true;
            log::debug("feed_waits", {{"why", e.what()}});
        } catch (const std::exception& e) { // whatever it is, watchers depend on us
            failed = true;
            log::warn("feed_refused", {{"why", e.what()}});
        }
        if (failed) {
            after.clear(); // Redis may come back with another past
            co_await sleep(after_failure);
        }
    }
}

} // namespace reprise::api
