#include "common/json/document.hpp"

#include <rapidjson/error/en.h>
#include <rapidjson/memorystream.h>
#include <rapidjson/reader.h>

namespace reprise::json {

result<document> parse(std::string_view text) {
    document d;
    d.Parse<rapidjson::kParseIterativeFlag | rapidjson::kParseValidateEncodingFlag>(text.data(), text.size());
    if (d.HasParseError())
        return failure{errc::invalid_body, std::string(rapidjson::GetParseError_En(d.GetParseError())) +
                                               " (at byte " + std::to_string(d.GetErrorOffset()) + ")"};
    return d;
}

bool is_object(std::string_view text) {
    // A NUL would be taken for the end; text before the object is none of ours.
    if (!text.starts_with('{') || text.find('\0') != std::string_view::npos)
        return false;
    rapidjson::MemoryStream stream(text.data(), text.size());
    rapidjson::EncodedInputStream<rapidjson::UTF8<>, rapidjson::MemoryStream> in(stream);
    rapidjson::BaseReaderHandler<> nobody;
    return !rapidjson::Reader()
                .Parse<rapidjson::kParseIterativeFlag | rapidjson::kParseValidateEncodingFlag |
                       rapidjson::kParseNumbersAsStringsFlag>(in, nobody)
                .IsError();
}

const value* find(const value& object, std::string_view key) {
    if (!object.IsObject())
        return nullptr;
    const auto at =
        object.FindMember(value(rapidjson::StringRef(key.data(), static_cast<rapidjson::SizeType>(key.size()))));
    return at == object.MemberEnd() ? nullptr : &at->value;
}

std::string_view text_at(const value& object, std::string_view key, std::string_view otherwise) {
    const auto* v = find(object, key);
    return v && v->IsString() ? std::string_view(v->GetString(), v->GetStringLength()) : otherwise;
}

std::int64_t number_at(const value& object, std::string_view key, std::int64_t otherwise) {
    const auto* v = find(object, key);
    return v && v->IsInt64() ? v->GetInt64() : otherwise;
}

bool bool_at(const value& object, std::string_view key, bool otherwise) {
    const auto* v = find(object, key);
    return v && v->IsBool() ? v->GetBool() : otherwise;
}

} // namespace reprise::json
