// A bulk retry: a wave of retries through an organisation's failed runs. Its record in Redis says what it is to do and how far
// it has come; every API process offers to go on with it, and one has the turn.
#pragma once
#include "api/handlers/index_page.hpp"
#include "api/services.hpp"
#include "common/queue/records.hpp"

#include <boost/asio/awaitable.hpp>

#include <string>
#include <vector>

namespace reprise::api {

// Which failed runs: all that match every part that is not empty.
struct bulk_filter {
    std::string of; // dead: given up on and not retried since; failed: all failed runs
    std::string project, code, step;
};

// Up to `most` runs that match, of those before `from`, the latest first; looks at 500 entries of the list at most. `from` is
// where the next look goes on; nothing when the list has ended.
struct bulk_matches {
    std::vector<indexed> runs;
    std::optional<indexed> from;
};
boost::asio::awaitable<bulk_matches> find_matches(const bulk_filter& f, unsigned partition, const std::string& org,
                                                  indexed from, std::size_t most, services& s);

bulk_filter filter_of(const record& bulk);

// Goes on with every bulk retry that has no process yet, until the process drains.
boost::asio::awaitable<void> run_bulk_retries(services& s);

} // namespace reprise::api
