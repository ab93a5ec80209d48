// Writes JSON without building a tree. RapidJSON does the punctuation and the escaping; strings must be valid UTF-8, which
// `string` ensures by replacing what is not. What needs no escaping, and what is JSON already, is copied as it stands
// (RapidJSON goes character by character).
#pragma once
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace reprise::json {

class writer {
  public:
    // `room`: bytes that are expected; beyond them it grows.
    explicit writer(std::size_t room = rapidjson::StringBuffer::kDefaultCapacity)
        : buffer_(nullptr, room), out_(buffer_) {}

    writer& begin_object() { return out_.StartObject(), *this; }
    writer& end_object() { return out_.EndObject(), *this; }
    writer& begin_array() { return out_.StartArray(), *this; }
    writer& end_array() { return out_.EndArray(), *this; }
    writer& key(std::string_view k); // one that needs no escaping
    writer& string(std::string_view s);
    writer& number(std::int64_t n) { return out_.Int64(n), *this; }
    writer& boolean(bool b) { return out_.Bool(b), *this; }
    // `text` is a complete JSON value already.
    writer& raw(std::string_view text) { return out_.copy(text, rapidjson::kObjectType), *this; }

    writer& member(std::string_view k, std::string_view s) { return key(k).string(s); }
    writer& member(std::string_view k, const char* s) { return key(k).string(s); }
    writer& member(std::string_view k, std::int64_t n) { return key(k).number(n); }
    writer& raw_member(std::string_view k, std::string_view text) { return key(k).raw(text); }
    // Left out when empty: optional fields are never null.
    writer& optional(std::string_view k, std::string_view s) { return s.empty() ? *this : member(k, s); }
    // The members of `object`, a complete JSON object, as members of the object being written.
    writer& splice(std::string_view object);

    std::string_view text() const { return {buffer_.GetString(), buffer_.GetSize()}; }
    std::string take() const { return std::string(text()); }

  private:
    class output : public rapidjson::Writer<rapidjson::StringBuffer> {
      public:
        using Writer::Writer;
        void copy(std::string_view text, rapidjson::Type type);
        void copy_quoted(std::string_view text);
    };

    rapidjson::StringBuffer buffer_;
    output out_;
};

} // namespace reprise::json
