#include "worker/readiness.hpp"

#include "common/log.hpp"
#include "common/queue/keys.hpp"
#include "common/redis/safety.hpp"

namespace reprise::worker {
namespace asio = boost::asio;

namespace {

asio::awaitable<bool> look(functions& f, blob_store& blobs, const common_settings& settings) {
    co_await redis::require_version(f.redis());
    co_await f.install();
    const auto store = co_await f.redis().call(redis::command::of("HGET", keys::meta, "store"));
    if (store.is_nil()) {
        log::info("waiting_to_start", {{"why", "no API has made the blob store known yet"}});
        co_return false;
    }
    co_await blobs.check(std::string(store.text()));
    // With fewer partitions than there are, runs of the others would wait for ever, and nobody would say so.
    const auto known = co_await f.redis().call(redis::command::of("HGET", keys::meta, "partitions"));
    if (known.text() != std::to_string(settings.partitions))
        throw std::runtime_error("REPRISE_PARTITIONS is not what Redis has: " + std::string(known.text()));
    if (const auto gap = co_await redis::safety_gap(f.redis(), settings.durability); !gap.empty())
        log::warn("redis_unsafe", {{"why", gap}});
    co_return true;
}

} // namespace

asio::awaitable<bool> ready_to_work(functions& f, blob_store& blobs, const common_settings& settings) {
    try {
        co_return co_await look(f, blobs, settings);
    } catch (const outage& e) {
        log::warn("waiting_to_start", {{"why", e.what()}});
    }
    co_return false;
}

} // namespace reprise::worker
