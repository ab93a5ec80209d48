#include "api/http/field_values.hpp"

#include <algorithm>
#include <charconv>

namespace reprise::api {
namespace {

constexpr std::uint64_t longest_wait_s = 60;

std::string_view without_blanks(std::string_view s) {
    while (s.starts_with(' ') || s.starts_with('\t'))
        s.remove_prefix(1);
    while (s.ends_with(' ') || s.ends_with('\t'))
        s.remove_suffix(1);
    return s;
}

// Cuts the next element off a comma-separated list.
std::string_view next_element(std::string_view& list) {
    const auto one = list.substr(0, list.find(','));
    list.remove_prefix(std::min(list.size(), one.size() + 1));
    return without_blanks(one);
}

std::optional<std::string> percent_decoded(std::string_view s) {
    std::string out;
    out.reserve(s.size());
    for (std::size_t i = 0; i < s.size(); ++i) {
        if (s[i] == '+') {
            out += ' ';
        } else if (s[i] != '%') {
            out += s[i];
        } else {
            unsigned byte = 0;
            if (i + 3 > s.size() ||
                std::from_chars(s.data() + i + 1, s.data() + i + 3, byte, 16).ptr != s.data() + i + 3)
                return std::nullopt;
            out += static_cast<char>(byte);
            i += 2;
        }
    }
    return out;
}

} // namespace

std::optional<std::uint64_t> whole_number(std::string_view s) {
    std::uint64_t n = 0;
    const auto r = std::from_chars(s.data(), s.data() + s.size(), n);
    if (s.empty() || r.ec != std::errc() || r.ptr != s.data() + s.size())
        return std::nullopt;
    return n;
}

bool matches_etag(std::string_view if_none_match, std::string_view etag) {
    if (if_none_match == "*")
        return true;
    while (!if_none_match.empty()) {
        auto one = next_element(if_none_match);
        if (one.starts_with("W/"))
            one.remove_prefix(2); // If-None-Match compares weakly
        if (one == etag)
            return true;
    }
    return false;
}

std::int64_t preferred_wait(std::string_view prefer) {
    constexpr std::string_view name = "wait=";
    while (!prefer.empty()) {
        const auto one = next_element(prefer);
        if (!one.starts_with(name))
            continue;
        if (const auto n = whole_number(one.substr(name.size())); n && *n > 0)
            return static_cast<std::int64_t>(std::min(*n, longest_wait_s));
    }
    return 0;
}

std::optional<std::string_view> idempotency_key(std::string_view field) {
    if (field.size() >= 2 && field.front() == '"' && field.back() == '"')
        field = field.substr(1, field.size() - 2);
    const bool plain =
        std::ranges::all_of(field, [](char c) { return c > 0x20 && c < 0x7f && c != '"' && c != '\\'; });
    if (field.empty() || field.size() > 255 || !plain)
        return std::nullopt;
    return field;
}

std::optional<std::string_view> request_id(std::string_view field) {
    const auto sound = [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' || c == '-' ||
               c == '_';
    };
    if (field.empty() || field.size() > 128 || !std::ranges::all_of(field, sound))
        return std::nullopt;
    return field;
}

std::optional<byte_range> read_range(std::string_view range, std::uint64_t size) {
    constexpr std::string_view unit = "bytes=";
    if (!range.starts_with(unit) || range.find(',') != std::string_view::npos)
        return std::nullopt;
    range.remove_prefix(unit.size());
    const auto dash = range.find('-');
    if (dash == std::string_view::npos)
        return std::nullopt;
    const auto first = whole_number(range.substr(0, dash)), last = whole_number(range.substr(dash + 1));
    if (!first && dash == 0 && last) {
        const auto length = std::min(*last, size);
        return byte_range{size - length, length};
    }
    if (!first || (!last && dash + 1 != range.size()) || (last && *last < *first))
        return std::nullopt;
    if (*first >= size)
        return byte_range{0, 0};
    return byte_range{*first, std::min(last.value_or(size - 1), size - 1) - *first + 1};
}

std::optional<std::map<std::string, std::string, std::less<>>> parse_query(std::string_view query) {
    std::map<std::string, std::string, std::less<>> out;
    while (!query.empty()) {
        const auto part = query.substr(0, query.find('&'));
        query.remove_prefix(std::min(query.size(), part.size() + 1));
        const auto equals = part.find('=');
        auto name = percent_decoded(part.substr(0, equals));
        auto value = percent_decoded(equals == std::string_view::npos ? std::string_view{} : part.substr(equals + 1));
        if (!name || !value)
            return std::nullopt;
        out.emplace(std::move(*name), std::move(*value));
    }
    return out;
}

} // namespace reprise::api
