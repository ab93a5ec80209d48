// Pages of an index: a sorted set of ids by time, newest first. A page's end is told by time and id, not by rank, so that the
// next one goes on from there whatever has come, or left the index, meanwhile.
#pragma once
#include "common/redis/connection.hpp"
#include "common/time.hpp"

#include <boost/asio/awaitable.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace reprise::api {

struct indexed {
    std::string id;
    unix_ms at = 0;
};

// `list` names what the cursor is good for: an index and the filters. One of another list, or another organisation's, is
// not taken for one of this.
std::string cursor_after(const indexed& last, std::string_view list);
// Nothing if it was not given out for this list.
std::optional<indexed> read_cursor(std::string_view cursor, std::string_view list);

// Up to `most` that come after `last`, or the newest. Throws outage.
boost::asio::awaitable<std::vector<indexed>> read_index(redis::connection& redis, std::string index,
                                                        std::optional<indexed> last, std::size_t most);

} // namespace reprise::api
