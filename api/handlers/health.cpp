// livez: the process answers. readyz: Redis writes, promises what it should, and the blob store is there.
#include "api/handlers/handlers.hpp"
#include "common/json/writer.hpp"
#include "common/redis/safety.hpp"

namespace reprise::api {
namespace asio = boost::asio;
asio::awaitable<std::string> why_not_ready(services& s) {
    if (s.draining)
        co_return "draining";
    try {
        for (unsigned p = 0; p < s.queue.library().partitions(); ++p)
            co_await s.queue.ready(p);
        if (auto gap = co_await redis::safety_gap(s.redis, s.durability); !gap.empty())
            co_return gap;
        co_await s.blobs.check(s.store_id);
    } catch (const outage& e) {
        co_return e.what();
    }
    co_return "";
}

namespace {

response state(unsigned status, std::string_view word, std::string_view why = {}) {
    json::writer w;
    w.begin_object().member("status", word).optional("reason", why).end_object();
    auto r = json_response(status, w.take());
    r.with("Cache-Control", "no-store");
    return r;
}

} // namespace

asio::awaitable<response> live(request&, services&) {
    co_return state(200, "live");
}

asio::awaitable<response> ready(request&, services& s) {
    const auto why = co_await why_not_ready(s);
    if (why.empty())
        co_return state(200, "ready");
    auto r = state(503, "not_ready", why);
    r.with("Retry-After", "1");
    co_return r;
}

} // namespace reprise::api
