// OpenAPI documents, JSON and YAML, within limits: what is read can be written and is then read as the same.
#include "tests/fuzz/fuzz.hpp"

#include "common/json/utf8.hpp"
#include "common/openapi/read_document.hpp"

using namespace reprise;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    openapi::document_limits limits;
    limits.nodes = 2000;
    limits.depth = 24;
    const auto read = openapi::read_document(fuzz::text_of(data, size), limits);
    if (!read)
        return 0;
    openapi::facts_of(*read);
    const auto sound = openapi::check_openapi(*read);
    fuzz::require(!sound || !sound->openapi_version.empty());
    const auto text = openapi::to_json(*read);
    fuzz::require(is_utf8(text));
    const auto again = openapi::read_document(text, limits);
    fuzz::require(again.has_value() && openapi::to_json(*again) == text);
    return 0;
}
