// GET one project, GET all projects of the caller's organisation.
#include "api/handlers/handlers.hpp"
#include "api/render.hpp"
#include "common/json/writer.hpp"
#include "common/queue/keys.hpp"
#include "common/run/id.hpp"

namespace reprise::api {
namespace asio = boost::asio;
namespace {
constexpr std::size_t default_page = 100;
}

asio::awaitable<response> list_projects(request& req, services& s) {
    const auto accept = req.header(http::field::accept);
    const auto limit = page_limit(req, default_page);
    if (!limit)
        co_return error_response(limit.error(), accept);
    const auto index = keys::projects(req.who.partition, req.who.org);
    std::int64_t rank = 0;
    if (const auto cursor = query_text(req, "cursor"); !cursor.empty()) { // the id of the last one seen
        const auto at = co_await s.redis.call(redis::command::of("ZREVRANK", index, cursor));
        if (at.is_nil())
            co_return error_response({errc::invalid_parameter, "the cursor is not one that was given out"}, accept);
        rank = at.number() + 1;
    }
    const auto last = rank + static_cast<std::int64_t>(*limit); // one more than a page: is there a next one?
    const auto ids =
        co_await s.redis.call(redis::command::of("ZREVRANGE", index, std::to_string(rank), std::to_string(last)));
    json::writer w;
    w.begin_object().key("projects").begin_array();
    for (std::size_t i = 0; i < std::min(ids.size(), *limit); ++i) {
        const auto project = co_await load_project(req.who.partition, ids[i].text(), s);
        w.raw(render_project(project));
    }
    std::string next;
    if (ids.size() > *limit)
        next = ids[*limit - 1].text();
    w.end_array().optional("nextCursor", next).end_object();
    auto r = json_response(200, w.take());
    if (!next.empty())
        r.with("Link", "</api/projects?cursor=" + next + "&limit=" + std::to_string(*limit) + ">; rel=\"next\"");
    co_return r;
}

asio::awaitable<response> get_project(request& req, services& s) {
    const auto& id = req.parameters.at(0);
    record p;
    if (partition_of(id_kind::project, id))
        p = co_await load_project(req.who.partition, id, s);
    if (p.empty() || p.text("org") != req.who.org)
        co_return error_response({errc::project_not_found, ""}, req.header(http::field::accept));
    co_return json_response(200, render_project(p));
}

} // namespace reprise::api
