#include "common/json/text_fields.hpp"

#include "common/json/utf8.hpp"

#include <rapidjson/error/en.h>
#include <rapidjson/reader.h>

#include <algorithm>
#include <optional>
#include <set>
#include <vector>

namespace reprise::json {
namespace {

constexpr std::size_t deepest = 16;
constexpr std::size_t most_keys = 1000; // of all objects: each is kept, to be told from the others

// RapidJSON's handler interface: every function answers whether to go on.
class field_reader {
  public:
    // `escapes`: the body has Unicode escapes, so that its strings may hold what its own bytes cannot.
    field_reader(std::span<const std::string_view> known, bool escapes) : known_(known), escapes_(escapes) {}

    bool Null() { return other("null"); }
    bool Bool(bool) { return other("a boolean"); }
    bool Int(int) { return other("a number"); }
    bool Uint(unsigned) { return other("a number"); }
    bool Int64(std::int64_t) { return other("a number"); }
    bool Uint64(std::uint64_t) { return other("a number"); }
    bool Double(double) { return other("a number"); }
    bool RawNumber(const char*, rapidjson::SizeType, bool) { return other("a number"); }

    bool String(const char* s, rapidjson::SizeType size, bool) {
        if (keys_.empty())
            return other("a string");
        if (!sound({s, size}))
            return false;
        if (wanted())
            fields.emplace(key_, std::string(s, size));
        return true;
    }

    bool StartObject() {
        if (!keys_.empty() && wanted())
            return other("an object");
        return enter();
    }

    bool Key(const char* s, rapidjson::SizeType size, bool) {
        if (!sound({s, size}))
            return false;
        if (++seen_ > most_keys)
            return fail(errc::invalid_body, "the body has more than 1000 keys");
        if (!keys_.back().insert(std::string(s, size)).second)
            return fail(errc::duplicate_field,
                        "the key \"" + std::string(utf8_prefix({s, size}, 100)) + "\" is there twice");
        if (keys_.size() == 1)
            key_.assign(s, size);
        return true;
    }

    bool EndObject(rapidjson::SizeType) { return keys_.pop_back(), true; }

    bool StartArray() {
        if (keys_.empty() || wanted())
            return other("an array");
        return enter();
    }

    bool EndArray(rapidjson::SizeType) { return keys_.pop_back(), true; }

    text_fields fields;
    std::optional<failure> refusal;

  private:
    bool wanted() const { return keys_.size() == 1 && std::ranges::find(known_, key_) != known_.end(); }

    // RapidJSON 1.1.0 takes the second half of a surrogate pair alone, and makes of it what is not UTF-8.
    bool sound(std::string_view s) {
        return !escapes_ || is_utf8(s) || fail(errc::invalid_encoding, "half a surrogate pair is no character");
    }

    bool enter() {
        if (keys_.size() == deepest)
            return fail(errc::too_deep, "more than 16 levels");
        keys_.emplace_back();
        return true;
    }

    bool other(std::string_view what) {
        if (keys_.empty())
            return fail(errc::invalid_body, "the body must be an object, not " + std::string(what));
        if (wanted())
            return fail(errc::invalid_body, key_ + " must be a string, not " + std::string(what));
        return true;
    }

    bool fail(errc code, std::string message) {
        refusal = failure{code, std::move(message)};
        return false;
    }

    std::span<const std::string_view> known_;
    const bool escapes_;
    std::vector<std::set<std::string, std::less<>>> keys_; // of the objects (and, empty, arrays) we are in
    std::string key_;                                      // the last one at the top level
    std::size_t seen_ = 0;                                 // keys
};

} // namespace

result<text_fields> read_text_fields(std::string body, std::span<const std::string_view> known) {
    if (body.empty())
        return text_fields{};
    if (body.starts_with("\xEF\xBB\xBF") || !is_utf8(body))
        return failure{errc::invalid_encoding, "the body must be UTF-8 without a byte order mark"};

    if (body.find('\0') != std::string::npos) // RapidJSON would take it for the end
        return failure{errc::invalid_body, "the body contains a NUL"};

    field_reader fields(known, body.find("\\u") != std::string::npos);
    rapidjson::InsituStringStream in(body.data());
    rapidjson::Reader reader;
    // Numbers stay text: RapidJSON 1.1.0 can overflow on extreme exponents. Iterative: depth costs no stack.
    constexpr unsigned flags = rapidjson::kParseInsituFlag | rapidjson::kParseIterativeFlag |
                               rapidjson::kParseValidateEncodingFlag | rapidjson::kParseNumbersAsStringsFlag;
    const auto done = reader.Parse<flags>(in, fields);
    if (fields.refusal)
        return *fields.refusal;
    if (done.IsError()) {
        const bool encoding = done.Code() == rapidjson::kParseErrorStringInvalidEncoding ||
                              done.Code() == rapidjson::kParseErrorStringUnicodeSurrogateInvalid;
        return failure{encoding ? errc::invalid_encoding : errc::invalid_body,
                       std::string(rapidjson::GetParseError_En(done.Code())) + " (at byte " +
                           std::to_string(done.Offset()) + ")"};
    }
    return std::move(fields.fields);
}

} // namespace reprise::json
