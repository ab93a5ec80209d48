#include "common/openapi/read_document.hpp"

#include "common/json/document.hpp"
#include "common/json/utf8.hpp"

#include <rapidjson/error/en.h>
#include <rapidjson/memorystream.h>
#include <rapidjson/reader.h>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>
#include <yaml-cpp/depthguard.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <array>
#include <istream>
#include <streambuf>

namespace reprise::openapi {
namespace {

// --- JSON ---

struct json_events {
    document_builder& to;
    bool Null() { return to.null(), true; }
    bool Bool(bool b) { return to.boolean(b), true; }
    bool RawNumber(const char* s, rapidjson::SizeType n, bool) { return to.number({s, n}), true; }
    bool String(const char* s, rapidjson::SizeType n, bool) { return to.string({s, n}), true; }
    bool Key(const char* s, rapidjson::SizeType n, bool) { return to.string({s, n}), true; }
    bool StartObject() { return to.begin_map(), true; }
    bool EndObject(rapidjson::SizeType) { return to.end_map(), true; }
    bool StartArray() { return to.begin_list(), true; }
    bool EndArray(rapidjson::SizeType) { return to.end_list(), true; }
    // With numbers as strings these are never called, but the reader names them.
    bool Int(int) { return false; }
    bool Uint(unsigned) { return false; }
    bool Int64(std::int64_t) { return false; }
    bool Uint64(std::uint64_t) { return false; }
    bool Double(double) { return false; }
};

rapidjson::Document read_json(std::string_view text, document_limits limits) {
    document_builder builder(limits);
    json_events events{builder};
    rapidjson::MemoryStream stream(text.data(), text.size());
    rapidjson::EncodedInputStream<rapidjson::UTF8<>, rapidjson::MemoryStream> in(stream);
    rapidjson::Reader reader;
    constexpr unsigned flags = rapidjson::kParseIterativeFlag | rapidjson::kParseNumbersAsStringsFlag;
    const auto done = reader.Parse<flags>(in, events);
    if (done.IsError())
        throw document_refused(errc::spec_unreadable, std::string("not JSON: ") +
                                                          rapidjson::GetParseError_En(done.Code()) + " (at byte " +
                                                          std::to_string(done.Offset()) + ")");
    return builder.take();
}

// --- YAML ---

class yaml_events : public YAML::EventHandler {
  public:
    explicit yaml_events(document_builder& to) : to_(to) {}

    void OnDocumentStart(const YAML::Mark&) override {}
    void OnDocumentEnd() override {}
    void OnNull(const YAML::Mark&, YAML::anchor_t a) override { to_.null(a); }
    void OnAlias(const YAML::Mark&, YAML::anchor_t a) override { to_.alias(a); }
    void OnScalar(const YAML::Mark& at, const std::string& tag, YAML::anchor_t a, const std::string& s) override {
        if (tag == "?" || tag.empty())
            to_.plain_scalar(s, a);
        else if (tag == "!" || tag == "tag:yaml.org,2002:str")
            to_.string(s, a);
        else
            refuse_unless_core(at, tag), to_.plain_scalar(s, a);
    }
    void OnSequenceStart(const YAML::Mark& at, const std::string& tag, YAML::anchor_t a,
                         YAML::EmitterStyle::value) override {
        refuse_unless_core(at, tag);
        to_.begin_list(a);
    }
    void OnSequenceEnd() override { to_.end_list(); }
    void OnMapStart(const YAML::Mark& at, const std::string& tag, YAML::anchor_t a,
                    YAML::EmitterStyle::value) override {
        refuse_unless_core(at, tag);
        to_.begin_map(a);
    }
    void OnMapEnd() override { to_.end_map(); }

  private:
    // Other tags (`!!js/function`, `!!python/object`) ask a parser to make things that are not data.
    static void refuse_unless_core(const YAML::Mark& at, const std::string& tag) {
        static constexpr std::array<std::string_view, 8> core{"",
                                                              "?",
                                                              "!",
                                                              "tag:yaml.org,2002:map",
                                                              "tag:yaml.org,2002:seq",
                                                              "tag:yaml.org,2002:int",
                                                              "tag:yaml.org,2002:float",
                                                              "tag:yaml.org,2002:bool"};
        if (std::ranges::find(core, tag) == core.end() && tag != "tag:yaml.org,2002:null")
            throw document_refused(errc::spec_unreadable, "the YAML tag " + std::string(utf8_prefix(tag, 100)) +
                                                              " at line " + std::to_string(at.line + 1) +
                                                              " is not accepted");
    }
    document_builder& to_;
};

// Reads from memory without the copy that a stringstream would make.
struct memory_buffer : std::streambuf {
    explicit memory_buffer(std::string_view s) {
        auto* p = const_cast<char*>(s.data()); // setg wants it; nothing is written
        setg(p, p, p + s.size());
    }
};

rapidjson::Document read_yaml(std::string_view text, document_limits limits) {
    memory_buffer buffer(text);
    std::istream in(&buffer);
    document_builder builder(limits);
    yaml_events events(builder);
    try {
        YAML::Parser parser(in);
        if (!parser.HandleNextDocument(events))
            throw document_refused(errc::spec_unreadable, "the document is empty");
        if (parser.HandleNextDocument(events))
            throw document_refused(errc::spec_unreadable, "more than one YAML document");
    } catch (const YAML::DeepRecursion&) {
        throw document_refused(errc::spec_too_large, "nested more than " + std::to_string(limits.depth) + " deep");
    } catch (const YAML::Exception& e) {
        throw document_refused(errc::spec_unreadable, std::string("not YAML: ") + e.what());
    }
    return builder.take();
}

// --- checks ---

constexpr std::array<std::string_view, 8> methods{"get",     "put",  "post",  "delete",
                                                  "options", "head", "patch", "trace"};

int count_operations(const json::value* items) {
    int n = 0;
    if (items && items->IsObject())
        for (const auto& item : items->GetObject())
            for (const auto method : methods)
                if (const auto* op = json::find(item.value, method); op && op->IsObject())
                    ++n;
    return n;
}

// The first reference that leads outside the document. Depth is bounded by the builder.
const json::value* remote_ref(const json::value& v) {
    if (v.IsArray()) {
        for (const auto& e : v.GetArray())
            if (const auto* r = remote_ref(e))
                return r;
    } else if (v.IsObject()) {
        for (const auto& m : v.GetObject()) {
            const std::string_view key(m.name.GetString(), m.name.GetStringLength());
            const bool reference = (key == "$ref" || key == "$dynamicRef") && m.value.IsString();
            if (reference && !std::string_view(m.value.GetString(), m.value.GetStringLength()).starts_with('#'))
                return &m.value;
            if (const auto* r = remote_ref(m.value))
                return r;
        }
    }
    return nullptr;
}

std::string scalar_text(const json::value* v) {
    if (!v)
        return {};
    if (v->IsString())
        return {v->GetString(), v->GetStringLength()};
    if (v->IsNumber()) { // `version: 1.0` without quotes
        rapidjson::StringBuffer out;
        rapidjson::Writer<rapidjson::StringBuffer> w(out);
        v->Accept(w);
        return out.GetString();
    }
    return {};
}

} // namespace

result<rapidjson::Document> read_document(std::string_view text, document_limits limits) {
    if (text.size() > limits.bytes)
        return failure{errc::spec_too_large, "more than " + std::to_string(limits.bytes) + " bytes"};
    if (text.starts_with("\xEF\xBB\xBF"))
        text.remove_prefix(3);
    if (!is_utf8(text))
        return failure{errc::spec_unreadable, "not UTF-8"};
    // YAML forbids them, and its parsers take NULs for UTF-16.
    if (std::ranges::any_of(text, [](unsigned char c) { return c < 0x20 && c != '\t' && c != '\r' && c != '\n'; }))
        return failure{errc::spec_unreadable, "control characters"};
    const auto first = text.find_first_not_of(" \t\r\n");
    const bool looks_like_json = first != std::string_view::npos && (text[first] == '{' || text[first] == '[');
    try {
        if (!looks_like_json)
            return read_yaml(text, limits);
        try {
            return read_json(text, limits);
        } catch (const document_refused& as_json) {
            // YAML's flow style begins like JSON. A limit is a limit in both.
            if (as_json.refusal().code == errc::spec_too_large)
                throw;
            try {
                return read_yaml(text, limits);
            } catch (const document_refused& as_yaml) {
                throw as_yaml.refusal().code == errc::spec_too_large ? as_yaml : as_json;
            }
        }
    } catch (const document_refused& e) {
        return e.refusal();
    }
}

document_facts facts_of(const rapidjson::Document& d) {
    document_facts f;
    f.openapi_version = scalar_text(json::find(d, "openapi"));
    if (f.openapi_version.empty())
        f.openapi_version = scalar_text(json::find(d, "swagger"));
    if (const auto* info = json::find(d, "info")) {
        f.title = scalar_text(json::find(*info, "title"));
        f.version = scalar_text(json::find(*info, "version"));
    }
    f.operations = count_operations(json::find(d, "paths")) + count_operations(json::find(d, "webhooks"));
    return f;
}

result<document_facts> check_openapi(const rapidjson::Document& d) {
    if (!d.IsObject())
        return failure{errc::spec_not_openapi, "the document is not an object"};
    auto facts = facts_of(d);
    if (const auto* swagger = json::find(d, "swagger"))
        return failure{errc::spec_not_openapi,
                       "this is Swagger " + scalar_text(swagger).substr(0, 40) + "; OpenAPI 3.0 or 3.1 is needed"};
    if (!facts.openapi_version.starts_with("3.0") && !facts.openapi_version.starts_with("3.1"))
        return failure{errc::spec_not_openapi,
                       facts.openapi_version.empty()
                           ? "there is no `openapi` member"
                           : "OpenAPI " + std::string(utf8_prefix(facts.openapi_version, 40)) + " is not 3.0 or 3.1"};
    const auto* info = json::find(d, "info");
    if (!info || !info->IsObject())
        return failure{errc::spec_not_openapi, "there is no `info` object"};
    for (const auto* part : {"paths", "webhooks", "components"})
        if (const auto* v = json::find(d, part); v && !v->IsObject())
            return failure{errc::spec_not_openapi, std::string("`") + part + "` is not an object"};
    if (!json::find(d, "paths") && !json::find(d, "webhooks") && !json::find(d, "components"))
        return failure{errc::spec_not_openapi, "there are no `paths`, `webhooks` or `components`"};
    if (const auto* ref = remote_ref(d))
        return failure{errc::spec_remote_ref,
                       "only references within the document (#/...) are followed; this one is not: " +
                           std::string(utf8_prefix({ref->GetString(), ref->GetStringLength()}, 200))};
    return facts;
}

std::string to_json(const rapidjson::Document& d) {
    rapidjson::StringBuffer out;
    rapidjson::Writer<rapidjson::StringBuffer> w(out);
    d.Accept(w); // recursive; the builder's depth limit bounds it
    return {out.GetString(), out.GetSize()};
}

} // namespace reprise::openapi
