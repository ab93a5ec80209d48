#include "api/introduce.hpp"

#include "common/crypto/digest.hpp"
#include "common/log.hpp"
#include "common/queue/keys.hpp"
#include "common/redis/safety.hpp"

namespace reprise::api {
namespace asio = boost::asio;

asio::awaitable<std::string> introduce(functions& f, blob_store& blobs, const common_settings& settings) {
    auto& to = f.redis();
    co_await redis::require_version(to);
    if (const auto gap = co_await redis::safety_gap(to, settings.durability); !gap.empty())
        log::warn("redis_unsafe", {{"why", gap}}); // readyz says so for as long as it is so
    co_await f.install();
    const auto partitions = std::to_string(settings.partitions);
    co_await to.call(redis::command::of("HSETNX", keys::meta, "schema", keys::schema));
    co_await to.call(redis::command::of("HSETNX", keys::meta, "partitions", partitions));
    const auto agreed_partitions = co_await to.call(redis::command::of("HGET", keys::meta, "partitions"));
    if (agreed_partitions.text() != partitions)
        throw std::runtime_error("REPRISE_PARTITIONS is " + partitions + ", and Redis has " +
                                 std::string(agreed_partitions.text()));
    const auto known = co_await to.call(redis::command::of("HGET", keys::meta, "store"));
    // A store that Redis knows must be there; only the first process of all may make one.
    const auto id = co_await blobs.identify(random_base32(26), known.is_nil());
    co_await to.call(redis::command::of("HSETNX", keys::meta, "store", id));
    const auto agreed = co_await to.call(redis::command::of("HGET", keys::meta, "store"));
    if (agreed.text() != id)
        throw std::runtime_error("REPRISE_BLOBS is not the blob store that this Redis belongs to");
    co_return id;
}

} // namespace reprise::api
