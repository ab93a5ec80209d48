// GET one project, GET all projects of the caller's organisation.
#include "api/handlers/handlers.hpp"
#include "api/handlers/index_page.hpp"
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
    std::optional<indexed> from;
    if (const auto cursor = query_text(req, "cursor"); !cursor.empty()) {
        from = read_cursor(cursor, index);
        if (!from)
            co_return error_response({errc::invalid_parameter, "the cursor is not one that this list gave out"},
                                     accept);
    }
    auto found = co_await read_index(s.redis, index, from, *limit + 1); // one more: is there a next page?
    std::string next;
    if (found.size() > *limit) {
        found.pop_back();
        next = cursor_after(found.back(), index);
    }
    std::vector<redis::command> reads;
    for (const auto& project : found)
        reads.push_back(redis::command::of("HGETALL", keys::project(req.who.partition, project.id)));
    const auto projects = co_await s.redis.call_all(std::move(reads));
    json::writer w;
    w.begin_object().key("projects").begin_array();
    for (const auto& project : projects)
        w.raw(render_project(record(project.view())));
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
