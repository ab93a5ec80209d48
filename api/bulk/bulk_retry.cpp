#include "api/bulk/bulk_retry.hpp"

#include "api/handlers/handlers.hpp"
#include "common/crypto/digest.hpp"
#include "common/log.hpp"
#include "common/queue/keys.hpp"

#include <boost/algorithm/string/split.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fmt/ranges.h>

#include <algorithm>

namespace reprise::api {
namespace asio = boost::asio;

namespace {

constexpr auto turn = std::chrono::milliseconds(500);
constexpr auto lease = std::chrono::seconds(10); // of a turn: longer than its retries can take

enum class retried { yes, refused, not_now, no_more };

class wave {
  public:
    wave(services& s, unsigned partition, record fields)
        : services_(s), partition_(partition), fields_(std::move(fields)), state_(fields_.text("state")) {
        boost::algorithm::split(canaries_, fields_.text("canaries"), [](char c) { return c == ' '; });
        std::erase(canaries_, "");
    }

    // One turn of it: a canary and the look at how it went, or as many retries as its rate allows. Its retries are made with the
    // rights of the key that started it.
    asio::awaitable<void> go_on() {
        if (!co_await key_works()) {
            end_early("the key that it was started with does not work any more");
            co_return;
        }
        const auto canary = static_cast<std::size_t>(fields_.number("canary"));
        if (state_ == "canary" && !exhausted() && canaries_.size() < canary)
            co_await retry_some(canary - canaries_.size(), true);
        else if (state_ == "canary")
            co_await look_at_canaries();
        else if (exhausted())
            state_ = "done";
        else if (const auto most = allowed(); most > 0)
            co_await retry_some(most, false);
    }

    const std::string& state() const { return state_; }
    // Names and values of the fields that a turn may have changed.
    std::vector<std::string> changed() const {
        std::vector<std::string> words;
        for (const auto* name : {"because", "retried", "refused", "canaryFailed", "at", "after", "exhausted", "paced",
                                 "pacedDone", "canaries"}) {
            words.emplace_back(name);
            words.emplace_back(name == std::string_view("canaries") ? fmt::format("{}", fmt::join(canaries_, " "))
                                                                    : std::string(fields_.text(name)));
        }
        return words;
    }

  private:
    asio::awaitable<bool> key_works() {
        const auto answer =
            co_await services_.redis.call(redis::command::of("HGETALL", keys::api_key(fields_.text("key"))));
        const record key(answer.view());
        const auto expires = key.number("expires");
        co_return !key.empty() && key.text("revoked") != "1" && (expires == 0 || expires > wall_clock());
    }

    void end_early(std::string why) {
        state_ = "stopped";
        fields_.set("because", std::move(why));
    }

    bool exhausted() const { return fields_.text("exhausted") == "1"; }

    // Since the wave has begun to go by its rate, and not since the last turn: what a turn cannot take whole is not lost. What was
    // missed while nobody had the turn is not made up for: a second's worth at most.
    std::size_t allowed() {
        const auto rate = fields_.number("rate"), done = fields_.number("retried") + fields_.number("refused");
        const auto now = wall_clock();
        if (fields_.number("paced") == 0)
            pace_from(now, done);
        auto due = fields_.number("pacedDone") + rate * (now - fields_.number("paced")) / 1000 - done;
        if (due > rate) {
            pace_from(now, done);
            due = rate;
        }
        return static_cast<std::size_t>(std::max<std::int64_t>(due, 0));
    }

    void pace_from(unix_ms now, std::int64_t done) {
        fields_.set("paced", std::to_string(now));
        fields_.set("pacedDone", std::to_string(done));
    }

    void count(std::string_view name) { fields_.set(name, std::to_string(fields_.number(name) + 1)); }

    asio::awaitable<void> retry_some(std::size_t most, bool canary) {
        indexed from{std::string(fields_.text("after")), fields_.number("at")};
        const std::string org(fields_.text("org"));
        const auto found = co_await find_matches(filter_of(fields_), partition_, org, from,
                                                 std::min<std::size_t>(most, 100), services_);
        for (const auto& run : found.runs) {
            const auto outcome = co_await retry(run.id, canary);
            if (outcome == retried::not_now)
                co_return; // the next turn begins with it
            if (outcome == retried::no_more) {
                end_early("quota or plan allow no more runs");
                co_return;
            }
            count(outcome == retried::yes ? "retried" : "refused");
            go_to(run);
        }
        if (found.from)
            go_to(*found.from);
        else
            fields_.set("exhausted", "1");
    }

    void go_to(const indexed& place) {
        fields_.set("at", std::to_string(place.at));
        fields_.set("after", place.id);
    }

    // As if the one who started the wave had asked for it.
    asio::awaitable<retried> retry(std::string run, bool canary) {
        http::fields headers;
        headers.set("Idempotency-Key", fmt::format("{}:{}", fields_.text("id"), run));
        request req;
        req.method = http::verb::post;
        req.path = "/api/runs/" + run + "/retry";
        req.parameters.push_back(run);
        req.fields = &headers;
        req.id = fields_.text("id");
        req.who.org = fields_.text("org");
        req.who.user = fields_.text("user");
        req.who.key_id = fields_.text("key");
        req.who.partition = partition_;
        if (const auto reason = fields_.text("reason"); !reason.empty())
            req.body.emplace("reason", std::string(reason));
        const auto answer = co_await retry_run(req, services_);
        if (answer.status >= 500 || answer.status == 429)
            co_return retried::not_now;
        if (answer.status == 402) // quota and plan: no other run would fare better
            co_return retried::no_more;
        if (answer.status != 202)
            co_return retried::refused;
        if (canary)
            for (const auto& [name, value] : answer.headers)
                if (name == "Location")
                    canaries_.push_back(value.substr(value.rfind('/') + 1));
        co_return retried::yes;
    }

    asio::awaitable<void> look_at_canaries() {
        std::int64_t ended = 0, failed = 0;
        for (const auto& run : canaries_) {
            const auto status =
                co_await services_.redis.call(redis::command::of("HGET", keys::run(partition_, run), "status"));
            const auto known = status.is_nil() ? std::optional<run_status>() : status_of(status.text());
            ended += known && !is_terminal(*known) ? 0 : 1;
            failed +=
                known && is_terminal(*known) && *known != run_status::ready && *known != run_status::complete ? 1 : 0;
        }
        fields_.set("canaryFailed", std::to_string(failed));
        if (failed > 0)
            state_ = "canary_failed";
        else if (ended == static_cast<std::int64_t>(canaries_.size()))
            state_ = exhausted() ? "done" : "running";
    }

    services& services_;
    const unsigned partition_;
    record fields_;
    std::string state_;
    std::vector<std::string> canaries_;
};

asio::awaitable<void> take_turn(unsigned partition, std::string bulk, const std::string& token, services& s) {
    auto taken = co_await s.queue.take_bulk_turn(partition, bulk, token, lease);
    if (!taken)
        co_return;
    wave w(s, partition, std::move(*taken));
    co_await w.go_on();
    co_await s.queue.end_bulk_turn(partition, std::move(bulk), token, w.state(), w.changed());
}

// One that cannot go on must not keep the others.
asio::awaitable<void> try_turn(unsigned partition, std::string bulk, const std::string& token, services& s) {
    try {
        co_await take_turn(partition, bulk, token, s);
    } catch (const std::exception& e) {
        log::warn("bulk_waits", {{"bulk", bulk}, {"why", e.what()}});
    }
}

} // namespace

asio::awaitable<void> run_bulk_retries(services& s) {
    asio::steady_timer timer(co_await asio::this_coro::executor);
    const auto token = random_base32(26);
    while (!s.draining) {
        timer.expires_after(turn);
        boost::system::error_code ec;
        co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, ec));
        if (ec)
            co_return;
        try {
            for (unsigned p = 0; p < s.queue.library().partitions(); ++p) {
                const auto active = co_await s.redis.call(redis::command::of("SMEMBERS", keys::active_bulks(p)));
                for (std::size_t i = 0; i < active.size() && !s.draining; ++i)
                    co_await try_turn(p, std::string(active[i].text()), token, s);
            }
        } catch (const std::exception& e) {
            log::warn("bulk_waits", {{"why", e.what()}});
        }
    }
}

} // namespace reprise::api
