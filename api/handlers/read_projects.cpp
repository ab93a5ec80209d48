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
    const auto page = co_await read_page(req, s, keys::projects, default_page);
    if (!page)
        co_return error_response(page.error(), req.header(http::field::accept));
    std::vector<redis::command> reads;
    for (const auto& project : page->found)
        reads.push_back(
            redis::command::of("HGETALL", keys::project(*partition_of(id_kind::project, project.id), project.id)));
    const auto projects = co_await s.redis.call_all(std::move(reads));
    json::writer w;
    w.begin_object().key("projects").begin_array();
    for (const auto& project : projects)
        w.raw(render_project(record(project.view())));
    w.end_array();
    co_return answer_page(w, *page, req);
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
