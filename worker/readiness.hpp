// What must be so before a worker claims its first run.
#pragma once
#include "common/blob/blob_store.hpp"
#include "common/queue/function_library.hpp"
#include "common/settings.hpp"

namespace reprise::worker {

// Installs the functions; looks whether Redis and the blob store are those of one deployment, and logs why they cannot be
// used yet (false: try again later) or are not as safe as they should be. Throws std::runtime_error for what waiting
// does not mend: an old Redis, another schema, another number of partitions.
boost::asio::awaitable<bool> ready_to_work(functions& f, blob_store& blobs, const common_settings& settings);

} // namespace reprise::worker
