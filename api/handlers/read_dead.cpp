// GET the organisation's dead letters: runs that were given up on and have not been retried since, newest first.
#include "api/handlers/handlers.hpp"
#include "api/handlers/index_page.hpp"
#include "common/json/writer.hpp"
#include "common/queue/keys.hpp"
#include "common/time.hpp"

namespace reprise::api {
namespace asio = boost::asio;
namespace {

constexpr std::size_t default_page = 20;
} // namespace

asio::awaitable<response> list_dead(request& req, services& s) {
    const auto limit = page_limit(req, default_page);
    if (!limit)
        co_return error_response(limit.error(), req.header(http::field::accept));
    const auto index = keys::dead(req.who.partition, req.who.org);
    std::optional<indexed> from;
    if (const auto cursor = query_text(req, "cursor"); !cursor.empty()) {
        from = read_cursor(cursor, index);
        if (!from)
            co_return error_response({errc::invalid_parameter, "the cursor is not one that this list gave out"},
                                     req.header(http::field::accept));
    }
    auto found = co_await read_index(s.redis, index, from, *limit + 1); // one more: is there a next page?
    std::string next;
    if (found.size() > *limit) {
        found.pop_back();
        next = cursor_after(found.back(), index);
    }
    std::vector<redis::command> reads;
    for (const auto& letter : found)
        reads.push_back(redis::command::of("HMGET", keys::run(req.who.partition, letter.id), "project", "error",
                                           "deadStep", "deadMessage"));
    const auto facts = co_await s.redis.call_all(std::move(reads));

    json::writer w;
    w.begin_object().key("dead").begin_array();
    for (std::size_t i = 0; i < found.size(); ++i) {
        const auto& r = facts[i];
        w.begin_object().member("run", found[i].id).member("projectId", r[0].text()).member("code", r[1].text());
        w.optional("step", r[2].text()).optional("message", r[3].text()).member("at", rfc3339(found[i].at));
        w.end_object();
    }
    w.end_array();
    w.optional("nextCursor", next).end_object();
    auto answer = json_response(200, w.take());
    if (!next.empty())
        answer.with("Link", "</api/dead?cursor=" + next + "&limit=" + std::to_string(*limit) + ">; rel=\"next\"");
    co_return answer;
}

} // namespace reprise::api
