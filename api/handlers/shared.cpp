// What several handlers do in the same way.
#include "api/handlers/handlers.hpp"
#include "api/http/field_values.hpp"
#include "api/render.hpp"
#include "common/crypto/digest.hpp"
#include "common/json/writer.hpp"
#include "common/queue/keys.hpp"
#include "common/run/id.hpp"

#include <algorithm>

namespace reprise::api {
namespace asio = boost::asio;

namespace {
constexpr std::int64_t longest_retry_after = 300; // seconds
constexpr std::size_t room_for_answer = 2048;     // bytes: most answers to a start or a retry are smaller
} // namespace

response refusal(const failure& f, const request& req, services& s) {
    auto r = error_response(f, req.header(http::field::accept));
    if (f.code != errc::queue_full)
        return r;
    const auto whole = s.pace.seconds_for(req.who.partition, s.queue.limits().most_queued);
    const auto wait = std::min(whole.value_or(longest_retry_after), longest_retry_after);
    std::uint32_t dice = 0; // so that they do not all come back at once
    fill_random(&dice, sizeof dice);
    r.instead(
        "Retry-After",
        std::to_string(1 + dice % static_cast<std::uint32_t>(std::max<std::int64_t>(wait / 4, 1)) + wait * 3 / 4));
    return r;
}

result<std::size_t> page_limit(const request& req, std::size_t otherwise) {
    constexpr std::size_t largest = 100;
    const auto text = query_text(req, "limit");
    if (text.empty())
        return otherwise;
    const auto n = whole_number(text);
    if (!n || *n < 1 || *n > largest)
        return failure{errc::invalid_parameter, "limit must be 1 to 100"};
    return static_cast<std::size_t>(*n);
}

asio::awaitable<result<run_record>> load_run(const caller& who, std::string id, services& s) {
    const failure not_found{errc::run_not_found, ""};
    // An id of another partition belongs to another organisation; it is looked up all the same, in ours.
    if (!partition_of(id_kind::run, id))
        co_return not_found;
    const auto answer = co_await s.redis.call(redis::command::of("HGETALL", keys::run(who.partition, id)));
    run_record r{std::move(id), record(answer.view())};
    if (r.fields.empty() || r.org() != who.org)
        co_return not_found;
    co_return r;
}

asio::awaitable<record> load_project(unsigned partition, std::string_view id, services& s) {
    const auto answer = co_await s.redis.call(redis::command::of("HGETALL", keys::project(partition, id)));
    co_return record(answer.view());
}

asio::awaitable<result<std::shared_ptr<const source_run>>> load_source(const caller& who, std::string id, services& s,
                                                                       bool anew) {
    if (!anew)
        if (auto known = s.known.find(who.org, id))
            co_return known;
    auto run = co_await load_run(who, std::move(id), s);
    if (!run)
        co_return run.error();
    co_return s.known.remember(std::move(*run));
}

result<idempotency> idempotency_of(const request& req) {
    const auto count = req.fields->count("Idempotency-Key");
    if (count == 0)
        return idempotency{};
    const auto key = idempotency_key(req.header("Idempotency-Key"));
    if (count > 1 || !key)
        return failure{errc::invalid_idempotency_key, "one value, 1 to 255 visible ASCII characters, quoted or not"};

    sha256 scope, print;
    scope.update(req.who.org + '\0' + req.who.user + '\0');
    scope.update(*key);
    print.update(req.path + '\0' + req.body_digest);
    return idempotency{scope.hex().substr(0, 40), print.hex().substr(0, 40)};
}

asio::awaitable<result<std::string>> find_replay(const request& req, const idempotency& i, services& s) {
    if (i.hash.empty())
        co_return std::string();
    const auto key = keys::prefix(req.who.partition) + "idem:" + i.hash;
    const auto seen = co_await s.redis.call(redis::command::of("GET", key));
    if (seen.is_nil())
        co_return std::string();
    const auto text = seen.text();
    const auto space = text.find(' ');
    if (text.substr(0, space) != i.fingerprint)
        co_return failure{errc::idempotency_key_reused, ""};
    co_return std::string(text.substr(space + 1));
}

namespace {

response accepted(const json::writer& body, const std::string& run) {
    auto r = json_response(202, body.take());
    r.with("Location", "/api/runs/" + run).with("Retry-After", "1");
    return r;
}

} // namespace

asio::awaitable<response> accepted_response(const new_run& n, const accepted_run& a, const source_run* source,
                                            const std::vector<retained_input>& inputs, services& s) {
    const auto partition = partition_of(id_kind::run, a.run).value_or(0);
    const auto* project = s.known.find_project(a.project);
    record loaded;
    if (!project) {
        loaded = co_await load_project(partition, a.project, s);
        s.known.remember_project(a.project, loaded);
        project = &loaded;
    }
    const auto workers = s.workers.seen();
    const bool no_worker = workers.live == 0;
    s.counted.accepted(source != nullptr);
    json::writer w(room_for_answer);
    w.begin_object().key("project");
    write_project(w, *project, a.runs_of_project, a.now);
    if (source)
        w.raw_member("sourceRun", source->rendered(no_worker));
    w.key("run");
    write_queued_run(w, record_of(n, a), inputs, no_worker);
    w.key("capabilities");
    write_capabilities(w, a, workers, s.workers.is_paused(n.mode, a.project), s.durability,
                       s.levels.oldest_seconds(partition), s.pace.seconds_for(partition, a.queued));
    if (!source)
        w.member("message", "Run accepted.");
    w.end_object();
    co_return accepted(w, n.id);
}

asio::awaitable<response> replayed_response(const request& req, std::string id, const source_run* source, bool by_key,
                                            services& s) {
    if (by_key)
        s.counted.replayed();
    else // our own call, whose first reply was lost
        s.counted.accepted(source != nullptr);
    const auto run = co_await load_run(req.who, std::move(id), s); // as it is now, not as it was then
    if (!run)
        co_return error_response(run.error(), req.header(http::field::accept));
    const auto project = co_await load_project(req.who.partition, run->project(), s);
    const bool no_worker = s.workers.seen().live == 0;
    json::writer w;
    w.begin_object().raw_member("project", render_project(project));
    if (source)
        w.raw_member("sourceRun", source->rendered(no_worker));
    w.raw_member("run", render_run(*run, no_worker));
    if (!source)
        w.member("message", "Run accepted.");
    w.end_object();
    auto r = accepted(w, run->id);
    if (by_key)
        r.with("Idempotent-Replayed", "true");
    co_return r;
}

} // namespace reprise::api
