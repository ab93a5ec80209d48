// From an Authorization header to a caller. Records of keys are read from Redis and remembered for two seconds,
// so that a revocation works within two seconds on every process.
#pragma once
#include "api/auth/api_key.hpp"
#include "api/auth/caller.hpp"
#include "common/queue/records.hpp"
#include "common/redis/connection.hpp"

#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

namespace reprise::api {

class key_ring {
  public:
    explicit key_ring(redis::connection& c) : redis_(c) {}
    // Nothing for every reason there is: absent, malformed, unknown, expired, revoked. Without `may_ask`, a key that has not
    // been right before is not looked up and is taken for wrong.
    boost::asio::awaitable<std::optional<caller>> identify(std::string authorization, bool may_ask);

  private:
    struct remembered {
        std::shared_ptr<const record> fields;
        std::chrono::steady_clock::time_point until;
    };
    boost::asio::awaitable<std::shared_ptr<const record>> look_up(std::string key_id);

    redis::connection& redis_;
    std::unordered_map<std::string, remembered> cache_;
};

} // namespace reprise::api
