// Reads an OpenAPI document (or a generator's configuration), JSON or YAML, within limits. Blocking and heavy
// for large documents: call it on a pool.
#pragma once
#include "common/openapi/document_builder.hpp"

#include <string>
#include <string_view>

namespace reprise::openapi {

// spec_unreadable or spec_too_large, with what and where.
result<rapidjson::Document> read_document(std::string_view text, document_limits limits = {});

// What the document says of itself. Never fails: absent or odd facts are empty.
struct document_facts {
    std::string openapi_version; // "3.1.0"; of Swagger, the value of `swagger`
    std::string title, version;
    int operations = 0;
};
document_facts facts_of(const rapidjson::Document& d);

// Is this a document that the generators may see? spec_not_openapi, spec_remote_ref.
result<document_facts> check_openapi(const rapidjson::Document& d);

std::string to_json(const rapidjson::Document& d);

} // namespace reprise::openapi
