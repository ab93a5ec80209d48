#include "api/auth/key_ring.hpp"

#include "common/crypto/digest.hpp"
#include "common/queue/keys.hpp"

#include <boost/algorithm/string/split.hpp>
#include <boost/beast/core/string.hpp>

namespace reprise::api {
namespace asio = boost::asio;

namespace {
constexpr std::size_t most_remembered = 10'000;
constexpr auto remembered_for = std::chrono::seconds(2);
} // namespace

asio::awaitable<std::optional<caller>> key_ring::identify(std::string authorization, bool may_ask) {
    constexpr std::string_view scheme = "Bearer ";
    const std::string_view said = authorization;
    if (!boost::beast::iequals(said.substr(0, scheme.size()), scheme))
        co_return std::nullopt;
    const auto key = parse_api_key(said.substr(scheme.size()));
    if (!key)
        co_return std::nullopt;
    if (!may_ask) {
        const auto known = cache_.find(key->id);
        if (known == cache_.end() || known->second.fields->empty())
            co_return std::nullopt;
    }

    const auto found = co_await look_up(key->id);
    const auto& stored = *found;
    // An unknown key is compared as well, with nothing: both ways take the same time.
    const bool same =
        equal_in_constant_time(key->secret_digest(), stored.empty() ? std::string(64, '0') : stored.text("digest"));
    if (!same || stored.text("revoked") == "1")
        co_return std::nullopt;
    if (const auto expires = stored.number("expires"); expires != 0 && expires <= wall_clock())
        co_return std::nullopt;

    caller who{key->id,
               std::string(stored.text("org")),
               std::string(stored.text("user")),
               static_cast<unsigned>(stored.number("partition")),
               {},
               stored.text("org") == every_org};
    boost::algorithm::split(who.scopes, stored.text("scopes"), [](char c) { return c == ' '; });
    co_return who;
}

asio::awaitable<std::shared_ptr<const record>> key_ring::look_up(std::string key_id) {
    const auto now = std::chrono::steady_clock::now();
    if (const auto found = cache_.find(key_id); found != cache_.end() && found->second.until > now)
        co_return found->second.fields;
    const auto answer = co_await redis_.call(redis::command::of("HGETALL", keys::api_key(key_id)));
    auto fields = std::make_shared<const record>(answer.view());
    if (cache_.size() >= most_remembered)
        cache_.clear(); // made-up key ids must not grow it; the real ones come back with one read each
    cache_[key_id] = {fields, now + remembered_for};
    co_return fields;
}

} // namespace reprise::api
