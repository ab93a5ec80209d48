// A JSON tree with checked access, for JSON that we or our tools wrote: pipelines, step facts, reports.
#pragma once
#include "common/error.hpp"

#include <rapidjson/document.h>

#include <cstdint>
#include <string_view>

namespace reprise::json {

using document = rapidjson::Document;
using value = rapidjson::Value;

// invalid_body with the reason and where.
result<document> parse(std::string_view text);

// Whether it is one whole JSON object, and so can be written as it stands into another. Builds no tree.
bool is_object(std::string_view text);

// Checked look-ups; RapidJSON's own operator[] and Get* assert. Absent or of another type: the fallback.
const value* find(const value& object, std::string_view key);
std::string_view text_at(const value& object, std::string_view key, std::string_view otherwise = {});
std::int64_t number_at(const value& object, std::string_view key, std::int64_t otherwise = 0);
bool bool_at(const value& object, std::string_view key, bool otherwise = false);

} // namespace reprise::json
