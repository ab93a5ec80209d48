// GET one project, GET all projects of the caller's organisation.
#include "api/handlers/handlers.hpp"
#include "api/render.hpp"
#include "common/json/writer.hpp"
#include "common/queue/keys.hpp"
#include "common/run/id.hpp"

namespace reprise::api {
namespace asio = boost::asio;
namespace {
constexpr const char* last_listed = "199"; // rank of the oldest project in a list
}

asio::awaitable<response> list_projects(request& req, services& s) {
    const auto index = keys::projects(req.who.partition, req.who.org);
    const auto ids = co_await s.redis.call(redis::command::of("ZREVRANGE", index, "0", last_listed));
    json::writer w;
    w.begin_object().key("projects").begin_array();
    for (std::size_t i = 0; i < ids.size(); ++i)
        w.raw(render_project(co_await load_project(req.who.partition, ids[i].text(), s)));
    w.end_array().end_object();
    co_return json_response(200, w.take());
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
