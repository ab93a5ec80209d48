// GET the organisation's dead letters: runs that were given up on and have not been retried since, newest first.
#include "api/handlers/handlers.hpp"
#include "api/handlers/index_page.hpp"
#include "common/json/writer.hpp"
#include "common/queue/keys.hpp"
#include "common/run/id.hpp"
#include "common/time.hpp"

namespace reprise::api {
namespace asio = boost::asio;
namespace {

constexpr std::size_t default_page = 20;
} // namespace

asio::awaitable<response> list_dead(request& req, services& s) {
    const auto page = co_await read_page(req, s, keys::dead, default_page);
    if (!page)
        co_return error_response(page.error(), req.header(http::field::accept));
    std::vector<redis::command> reads;
    for (const auto& letter : page->found)
        reads.push_back(redis::command::of("HMGET", keys::run(*partition_of(id_kind::run, letter.id), letter.id),
                                           "project", "error", "deadStep", "deadMessage", "org"));
    const auto facts = co_await s.redis.call_all(std::move(reads));

    json::writer w;
    w.begin_object().key("dead").begin_array();
    for (std::size_t i = 0; i < facts.size(); ++i) {
        const auto& letter = page->found[i];
        const auto& r = facts[i];
        w.begin_object().member("run", letter.id).member("projectId", r[0].text()).member("code", r[1].text());
        if (req.who.acts_for_all())
            w.member("org", r[4].text());
        w.optional("step", r[2].text()).optional("message", r[3].text()).member("at", rfc3339(letter.at));
        w.end_object();
    }
    w.end_array();
    co_return answer_page(w, *page, req);
}

} // namespace reprise::api
