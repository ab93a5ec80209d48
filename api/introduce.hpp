#pragma once
#include "common/blob/blob_store.hpp"
#include "common/queue/function_library.hpp"
#include "common/settings.hpp"

#include <boost/asio/awaitable.hpp>

#include <string>

namespace reprise::api {

// Makes Redis and the blob store known to each other and to this process: functions, schema, partitions, the store's marker.
// Answers the store's id. Throws outage while one of them is away, and what keeps this deployment from working at all.
boost::asio::awaitable<std::string> introduce(functions& f, blob_store& blobs, const common_settings& settings);

} // namespace reprise::api
