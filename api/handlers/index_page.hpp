// Pages of an index: a sorted set of ids by time, newest first. A page's end is told by time and id, not by rank, so that the
// next one goes on from there whatever has come, or left the index, meanwhile.
#pragma once
#include "api/http/message.hpp"
#include "api/services.hpp"
#include "common/json/writer.hpp"
#include "common/redis/connection.hpp"
#include "common/time.hpp"

#include <boost/asio/awaitable.hpp>

#include <initializer_list>
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

// What the request says of where its page begins: nothing for the newest; invalid_parameter for a cursor of another list.
result<std::optional<indexed>> asked_cursor(const request& req, std::string_view list);

// Adds the address of the next page, which is this one with another cursor, and keeps the named parameters.
void link_next(response& r, const request& req, std::string_view cursor,
               std::initializer_list<std::string_view> parameters);

// A page as the request asks for it, of an index without filters; cut to its limit.
struct index_page {
    std::vector<indexed> found;
    std::string next; // cursor, or empty on the last page
};
// `index_of` names the index of an organisation; for an operator, those of all are read as one.
using index_of_org = std::string (*)(unsigned partition, std::string_view org);
boost::asio::awaitable<result<index_page>> read_page(const request& req, services& s, index_of_org index_of,
                                                     std::size_t ordinary_limit);
// Ends the object that `w` is in with the next page's cursor, if there is one, and answers with it.
response answer_page(json::writer& w, const index_page& page, const request& req);

// Those of several indexes as one.
boost::asio::awaitable<std::vector<indexed>> read_indexes(redis::connection& redis, std::vector<std::string> indexes,
                                                          std::optional<indexed> last, std::size_t most);

// Up to `most` that come after `last`, or the newest. Throws outage.
boost::asio::awaitable<std::vector<indexed>> read_index(redis::connection& redis, std::string index,
                                                        std::optional<indexed> last, std::size_t most);

} // namespace reprise::api
