// The queue as a whole, and stopping and going on with what is started from it.
#include "api/handlers/handlers.hpp"
#include "api/handlers/operators/render_pause.hpp"
#include "api/handlers/operators/samples.hpp"
#include "api/queue_levels.hpp"
#include "common/json/writer.hpp"
#include "common/queue/keys.hpp"
#include "common/run/id.hpp"

#include <map>

namespace reprise::api {
namespace asio = boost::asio;

namespace {

constexpr std::size_t most_tools = 200;

// How many runs wait for each tool that some worker lacks. The tools are those that a blocked run names: the first ones.
asio::awaitable<std::map<std::string, std::int64_t>> blocked_tools(unsigned partitions, services& s) {
    std::map<std::string, std::int64_t> out;
    for (unsigned p = 0; p < partitions; ++p) {
        const auto blocked = co_await s.redis.call(
            redis::command::of("ZRANGE", keys::prefix(p) + "blocked", "0", std::to_string(most_tools)));
        std::vector<redis::command> reads;
        for (std::size_t i = 0; i < blocked.size(); ++i)
            reads.push_back(redis::command::of("HGET", keys::run(p, blocked[i].text()), "tool"));
        const auto tools = co_await s.redis.call_all(std::move(reads));
        std::map<std::string, std::int64_t> here;
        for (const auto& tool : tools)
            if (!tool.is_nil())
                here.try_emplace(std::string(tool.text()));
        for (const auto& [tool, none] : here) {
            const auto count =
                co_await s.redis.call(redis::command::of("ZCARD", keys::prefix(p) + "blocked:" + tool));
            out[tool] += count.number();
        }
    }
    co_return out;
}

result<std::string> paused_thing(const request& req) {
    const auto mode = req.text("mode"), project = req.text("projectId");
    if (!mode.empty() && !project.empty())
        return failure{errc::invalid_body, "mode and projectId cannot be combined"};
    if (!mode.empty() && mode != "flagship" && mode != "stainless_compatible" && mode != "reference-sample")
        return failure{errc::invalid_body, "mode is flagship, stainless_compatible or reference-sample"};
    if (!project.empty() && !partition_of(id_kind::project, project))
        return failure{errc::project_not_found, ""};
    return !mode.empty() ? "mode:" + mode : !project.empty() ? "project:" + project : std::string("all");
}

// A project is paused where it is, everything else in all partitions.
asio::awaitable<response> set_pause(request& req, services& s, bool pause) {
    const auto accept = req.header(http::field::accept);
    const auto what = paused_thing(req);
    if (!what)
        co_return error_response(what.error(), accept);
    const auto one = partition_of(id_kind::project, req.text("projectId"));
    for (unsigned p = 0; p < s.queue.library().partitions(); ++p) {
        if (one && *one != p)
            continue;
        result<record> done = failure{};
        if (pause)
            done = co_await s.queue.pause(p, *what, req.who.actor(), req.text("reason"));
        else
            done = co_await s.queue.resume(p, *what, req.who.actor(), req.text("reason"));
        if (!done)
            co_return error_response(done.error(), accept);
    }
    const auto pauses = co_await read_pauses(s.redis, s.queue.library().partitions());
    json::writer w;
    w.begin_object();
    write_pauses(w, pauses, true);
    co_return json_response(200, w.end_object().take());
}

} // namespace

asio::awaitable<response> show_queue(request&, services& s) {
    const auto partitions = s.queue.library().partitions();
    const auto q = co_await read_whole_level(s.redis, partitions);
    const auto tools = co_await blocked_tools(partitions, s);
    const auto pauses = co_await read_pauses(s.redis, partitions);
    const auto samples = co_await read_samples(s, sample_span::hour, 7); // the last minute
    json::writer w;
    w.begin_object()
        .member("queued", q.of("queued"))
        .member("inStreams", q.in_streams())
        .member("delayed", q.delayed);
    w.member("held", q.of("held")).member("running", q.of("running")).member("blocked", q.of("blocked"));
    w.key("blockedTools").begin_object();
    for (const auto& [tool, count] : tools)
        w.member(tool, count);
    w.end_object().member("oldestQueuedSeconds", q.oldest_seconds());
    write_pauses(w, pauses, true);
    w.key("perSecond").begin_object();
    for (const auto& [name, column] : {std::pair{"accepted", sample::accepted}, std::pair{"started", sample::started},
                                       std::pair{"ended", sample::ended}})
        w.raw_member(name, fixed_point(std::max(0.0, per_second(samples, column)))); // a repair may set counters back
    co_return json_response(200, w.end_object().end_object().take());
}

asio::awaitable<response> pause_queue(request& req, services& s) {
    return set_pause(req, s, true);
}

asio::awaitable<response> resume_queue(request& req, services& s) {
    return set_pause(req, s, false);
}

} // namespace reprise::api
