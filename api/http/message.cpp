#include "api/http/message.hpp"

#include "common/json/writer.hpp"

namespace reprise::api {

std::string_view query_text(const request& req, std::string_view name) {
    const auto found = req.query.find(name);
    return found == req.query.end() ? std::string_view() : std::string_view(found->second);
}

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
    r.refused = f.code;
    if (problem)
        r.content_type = "application/problem+json";
    if (status == 401)
        r.with("WWW-Authenticate", "Bearer realm=\"reprise\"");
    if (status == 503)
        r.with("Retry-After", "1");
    return r;
}

} // namespace reprise::api
