// The JSON body of a start or a retry: what is taken from it is text in UTF-8, of the names that were asked for.
#include "tests/fuzz/fuzz.hpp"

#include "common/json/text_fields.hpp"
#include "common/json/utf8.hpp"

#include <algorithm>
#include <array>

using namespace reprise;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static constexpr std::array<std::string_view, 4> names{"reason", "openapiText", "configText", "mode"};
    const auto text = fuzz::text_of(data, size);
    const auto fields = json::read_text_fields(std::string(text), names);
    if (!fields)
        return 0;
    fuzz::require(text.empty() || is_utf8(text));
    for (const auto& [name, value] : *fields) {
        fuzz::require(std::ranges::find(names, name) != names.end());
        fuzz::require(is_utf8(value) && value.size() <= text.size());
    }
    return 0;
}
