#include "common/json/writer.hpp"

#include "common/json/utf8.hpp"

namespace reprise::json {

writer& writer::string(std::string_view s) {
    const auto put = [this](std::string_view t) {
        out_.String(t.data(), static_cast<rapidjson::SizeType>(t.size()));
    };
    if (is_utf8(s))
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
