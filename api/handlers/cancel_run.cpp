// POST /api/runs/{runId}/cancel: the cancel is the terminal transition itself; a worker learns of it within a
// second.
#include "api/handlers/handlers.hpp"
#include "api/render.hpp"
#include "common/crypto/digest.hpp"
#include "common/json/writer.hpp"
#include "common/run/id.hpp"

namespace reprise::api {
namespace asio = boost::asio;

asio::awaitable<response> cancel_run(request& req, services& s) {
    const auto accept = req.header(http::field::accept);
    const auto& id = req.parameters.at(0);
    if (!partition_of(id_kind::run, id))
        co_return error_response({errc::run_not_found, ""}, accept);

    const auto done = co_await s.queue.cancel(req.who.partition, id, req.who.org, random_base32(26), req.who.actor(),
                                              req.text("reason"));
    if (!done) {
        auto why = done.error();
        if (why.code == errc::run_not_cancelable)
            why.message = "the run is " + why.message;
        co_return error_response(why, accept); // 404, 409
    }
    const auto run = co_await load_run(req.who, id, s);
    if (!run)
        co_return error_response(run.error(), accept);
    json::writer w;
    w.begin_object().raw_member("run", render_run(*run, false)).end_object();
    co_return json_response(200, w.take());
}

} // namespace reprise::api
