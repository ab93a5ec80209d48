// GET /metrics, for those who have no way to the admin listener.
#include "api/handlers/handlers.hpp"
#include "common/async/on_pool.hpp"

namespace reprise::api {
namespace asio = boost::asio;

asio::awaitable<response> show_metrics(request&, services& s) {
    // Some hundred lines: made where it holds up no request.
    auto make = [&s] { return s.counted.text(); };
    response r;
    r.body = co_await on_pool(s.documents, std::move(make));
    r.content_type = reprise::metrics::content_type;
    r.with("Cache-Control", "no-store");
    co_return r;
}

} // namespace reprise::api
