// GET failures of the last week, by the step that failed and its code: from counters that are kept a day each.
#include "api/auth/acting.hpp"
#include "api/handlers/handlers.hpp"
#include "common/json/writer.hpp"
#include "common/queue/keys.hpp"

#include <algorithm>
#include <map>

namespace reprise::api {
namespace asio = boost::asio;

namespace {

constexpr std::int64_t days = 7, day_ms = 86'400'000;

struct group {
    std::int64_t count = 0;
    unix_ms last_at = 0;
    std::string last_run;
};

// Fields are `n <step> <code>`, a count, and `l <step> <code>`, `ms run` of the last one. A step may have no name.
void add(std::map<std::string, group, std::less<>>& groups, redis::reply_view day) {
    for (std::size_t i = 0; i + 1 < day.size(); i += 2) {
        const auto name = day[i].text(), value = day[i + 1].text();
        if (name.size() < 2)
            continue;
        auto& g = groups[std::string(name.substr(2))];
        if (name.starts_with("n ")) {
            g.count += number_of(value);
        } else if (const auto at = number_of(value); at > g.last_at) {
            g.last_at = at;
            g.last_run = value.substr(std::min(value.size(), value.find(' ') + 1));
        }
    }
}

} // namespace

asio::awaitable<response> list_failures(request& req, services& s) {
    const auto orgs = co_await organisations_of(req.who, s);
    if (!orgs)
        co_return error_response(orgs.error(), req.header(http::field::accept));
    std::vector<redis::command> reads;
    const auto today = wall_clock() / day_ms;
    for (const auto& o : *orgs)
        for (std::int64_t day = today - days + 1; day <= today; ++day)
            reads.push_back(redis::command::of("HGETALL", keys::failures(o.partition, o.name, day)));
    std::map<std::string, group, std::less<>> by_name;
    const auto answers = co_await s.redis.call_all(std::move(reads));
    for (const auto& answer : answers)
        add(by_name, answer.view());
    std::vector<std::pair<std::string, group>> groups(by_name.begin(), by_name.end());
    std::ranges::sort(groups, [](const auto& a, const auto& b) { return a.second.count > b.second.count; });

    json::writer w;
    w.begin_object().member("days", days).key("groups").begin_array();
    for (const auto& [name, g] : groups) {
        const auto space = name.rfind(' ');
        w.begin_object().member("step", std::string_view(name).substr(0, space));
        w.member("code", std::string_view(name).substr(space + 1)).member("count", g.count);
        w.member("lastAt", rfc3339(g.last_at)).member("lastRun", g.last_run).end_object();
    }
    co_return json_response(200, w.end_array().end_object().take());
}

} // namespace reprise::api
