// Reads the body of a request: one JSON object whose known members are strings. Never builds a tree; unknown
// members are read over, whatever they hold, within the limits.
#pragma once
#include "common/error.hpp"

#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>

namespace reprise::json {

using text_fields = std::map<std::string, std::string, std::less<>>;

// invalid_body (not an object, a wrong type, null, over 1,000 keys), duplicate_field (at any level), invalid_encoding,
// too_deep (over 16). An empty body is an empty object. The text is taken and parsed where it stands: a document of megabytes
// is in memory twice while it is read, as the body and as the field.
result<text_fields> read_text_fields(std::string body, std::span<const std::string_view> known);

} // namespace reprise::json
