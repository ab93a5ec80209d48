// GET all that happened to a run, transitions and steps in one order, with who did it where that is known.
#include "api/handlers/handlers.hpp"
#include "api/watch/event.hpp"
#include "common/json/writer.hpp"

namespace reprise::api {
namespace asio = boost::asio;

asio::awaitable<response> show_run_history(request& req, services& s) {
    const auto run = co_await load_run(req.who, req.parameters.at(0), s);
    if (!run)
        co_return error_response(run.error(), req.header(http::field::accept));
    json::writer w;
    w.begin_object()
        .member("run", run->id)
        .optional("traceparent", run->fields.text("trace"))
        .key("events")
        .begin_array();
    for (const auto& e : events_after(0, *run)) {
        w.begin_object().member("seq", e.seq).member("at", rfc3339(e.at)).member("type", e.type);
        w.optional("step", e.step).optional("by", e.by).end_object();
    }
    co_return json_response(200, w.end_array().end_object().take());
}

} // namespace reprise::api
