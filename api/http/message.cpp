#include "api/http/message.hpp"

#include "common/json/writer.hpp"

#include <charconv>

namespace reprise::api {
namespace {

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

response& response::with(std::string_view name, std::string_view value) {
    headers.emplace_back(name, value);
    return *this;
}

response& response::instead(std::string_view name, std::string_view value) {
    std::erase_if(headers, [&](const auto& h) { return h.first == name; });
    return with(name, value);
}

response json_response(unsigned status, std::string body) {
    response r;
    r.status = status;
    r.body = std::move(body);
    return r;
}

response error_response(const failure& f, std::string_view accept) {
    const auto status = static_cast<unsigned>(http_status_of(f.code));
    json::writer w;
    w.begin_object();
    const bool problem = accept.find("application/problem+json") != std::string_view::npos;
    if (problem)
        w.member("type", "about:blank").member("title", meaning_of(f.code)).member("status", std::int64_t{status});
    w.member("error", code_of(f.code));
    w.member("message", f.message.empty() ? meaning_of(f.code) : std::string_view(f.message));
    if (problem)
        w.member("detail", f.message.empty() ? meaning_of(f.code) : std::string_view(f.message));
    w.end_object();
    auto r = json_response(status, w.take());
    if (problem)
        r.content_type = "application/problem+json";
    if (status == 401)
        r.with("WWW-Authenticate", "Bearer realm=\"reprise\"");
    if (status == 503)
        r.with("Retry-After", "1");
    return r;
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
