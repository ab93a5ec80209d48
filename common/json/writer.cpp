#include "common/json/writer.hpp"

#include "common/json/utf8.hpp"

#include <cstring>

namespace reprise::json {
namespace {

// Sixteen at a time and without a way out in between, so that the compiler looks at all of them at once.
bool stands_for_itself(std::string_view s) {
    constexpr std::size_t at_once = 16;
    const auto is_other = [](unsigned char c) -> bool { return (c < 0x20) | (c >= 0x7f) | (c == '"') | (c == '\\'); };
    unsigned char found = 0; // as wide as what is looked at
    for (; s.size() >= at_once; s.remove_prefix(at_once))
        for (std::size_t i = 0; i < at_once; ++i)
            found |= is_other(s[i]);
    for (const char c : s)
        found |= is_other(c);
    return found == 0;
}

} // namespace

void writer::output::copy(std::string_view text, rapidjson::Type type) {
    Prefix(type);
    if (!text.empty()) // for an empty view may be null, which memcpy must not be given
        std::memcpy(os_->Push(text.size()), text.data(), text.size()); // gcc 12 makes a loop over bytes of std::copy
}

void writer::output::copy_quoted(std::string_view text) {
    Prefix(rapidjson::kStringType);
    char* to = os_->Push(text.size() + 2);
    to[0] = '"';
    if (!text.empty())
        std::memcpy(to + 1, text.data(), text.size());
    to[text.size() + 1] = '"';
}

writer& writer::key(std::string_view k) {
    out_.copy_quoted(k);
    return *this;
}

writer& writer::string(std::string_view s) {
    const auto put = [this](std::string_view t) {
        out_.String(t.data(), static_cast<rapidjson::SizeType>(t.size()));
    };
    if (stands_for_itself(s))
        out_.copy_quoted(s);
    else if (is_utf8(s))
        put(s);
    else
        put(as_utf8(s));
    return *this;
}

writer& writer::splice(std::string_view object) {
    // RawValue places the comma for one value, and several members are one value to it: the first key goes
    // through Key(), and what follows its colon is written as it stands.
    if (object.size() <= 2)
        return *this;
    const auto inner = object.substr(1, object.size() - 2);
    const auto colon = inner.find("\":");
    return key(inner.substr(1, colon - 1)).raw(inner.substr(colon + 2));
}

} // namespace reprise::json
