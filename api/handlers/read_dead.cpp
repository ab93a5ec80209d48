// GET the organisation's dead letters: runs that were given up on and have not been retried since, newest first.
#include "api/handlers/handlers.hpp"
#include "common/json/writer.hpp"
#include "common/queue/keys.hpp"
#include "common/run/id.hpp"
#include "common/time.hpp"

#include <charconv>

namespace reprise::api {
namespace asio = boost::asio;
namespace {

constexpr std::size_t default_page = 20, piece = 100;

// Where a page ended. By time and id, not by rank: letters leave the list while it is read, when they are retried.
struct position {
    std::string at = "+inf"; // ms
    std::string run;
};

struct letter {
    std::string run, at;
};

bool is_number(std::string_view s) {
    return !s.empty() && s.size() <= 15 && s.find_first_not_of("0123456789") == std::string_view::npos;
}

result<position> position_of(const request& req) {
    const std::string cursor(query_text(req, "cursor"));
    position p;
    if (cursor.empty())
        return p;
    const auto dash = cursor.find('-');
    p.at = cursor.substr(0, dash);
    p.run = dash == std::string::npos ? "" : cursor.substr(dash + 1);
    if (!is_number(p.at) || !partition_of(id_kind::run, p.run))
        return failure{errc::invalid_parameter, "the cursor is not one that was given out"};
    return p;
}

// Up to `most` letters after `from`. Those of one millisecond stand in the order of their ids, so that `from` is found
// again however many there are.
asio::awaitable<std::vector<letter>> letters_after(const request& req, position from, std::size_t most, services& s) {
    const auto index = keys::dead(req.who.partition, req.who.org);
    std::vector<letter> out;
    for (std::size_t offset = 0; out.size() < most; offset += piece) {
        const auto r =
            co_await s.redis.call(redis::command::of("ZRANGE", index, from.at, "-inf", "BYSCORE", "REV", "LIMIT",
                                                     std::to_string(offset), std::to_string(piece), "WITHSCORES"));
        for (std::size_t i = 0; i + 1 < r.size() && out.size() < most; i += 2) {
            letter l{std::string(r[i].text()), std::string(r[i + 1].text())};
            if (l.at != from.at || l.run < from.run)
                out.push_back(std::move(l));
        }
        if (r.size() < 2 * piece)
            break;
    }
    co_return out;
}

} // namespace

asio::awaitable<response> list_dead(request& req, services& s) {
    const auto limit = page_limit(req, default_page);
    if (!limit)
        co_return error_response(limit.error(), req.header(http::field::accept));
    const auto from = position_of(req);
    if (!from)
        co_return error_response(from.error(), req.header(http::field::accept));
    const auto found = co_await letters_after(req, *from, *limit + 1, s); // one more: is there a next page?

    json::writer w;
    w.begin_object().key("dead").begin_array();
    for (std::size_t i = 0; i < std::min(found.size(), *limit); ++i) {
        const auto& run = found[i].run;
        const auto r = co_await s.redis.call(redis::command::of("HMGET", keys::run(req.who.partition, run), "project",
                                                                "error", "deadStep", "deadMessage"));
        std::int64_t at = 0;
        std::from_chars(found[i].at.data(), found[i].at.data() + found[i].at.size(), at);
        w.begin_object().member("run", run).member("projectId", r[0].text()).member("code", r[1].text());
        w.optional("step", r[2].text()).optional("message", r[3].text()).member("at", rfc3339(at)).end_object();
    }
    w.end_array();
    std::string next;
    if (found.size() > *limit)
        next = found[*limit - 1].at + "-" + found[*limit - 1].run;
    w.optional("nextCursor", next).end_object();
    auto answer = json_response(200, w.take());
    if (!next.empty())
        answer.with("Link", "</api/dead?cursor=" + next + "&limit=" + std::to_string(*limit) + ">; rel=\"next\"");
    co_return answer;
}

} // namespace reprise::api
