#include "api/routes.hpp"

#include <array>

namespace reprise::api {
namespace {

constexpr std::size_t small_body = 16u << 10;
// A document of 16 MiB as a JSON string may double (line ends, quotes); config and old SDK come on top.
constexpr std::size_t document_body = 48u << 20;

constexpr auto routes = std::to_array<route>({
    {http::verb::post, "/api/reports/start", "runs:write", document_body, start_run},
    {http::verb::post, "/api/runs/{runId}/retry", "runs:write", small_body, retry_run},
    {http::verb::post, "/api/runs/{runId}/cancel", "runs:write", small_body, cancel_run},
    {http::verb::get, "/api/runs/{runId}", "runs:read", 0, get_run},
    {http::verb::get, "/api/runs", "runs:read", 0, list_runs},
    {http::verb::get, "/api/projects", "runs:read", 0, list_projects},
    {http::verb::get, "/api/projects/{projectId}", "runs:read", 0, get_project},
    {http::verb::get, "/api/artifacts/download", "runs:read", 0, download_artifact},
    {http::verb::get, "/livez", "", 0, live},
    {http::verb::get, "/readyz", "", 0, ready},
});

std::string_view next_segment(std::string_view& path) {
    const auto segment = path.substr(0, path.find('/', 1));
    path.remove_prefix(segment.size());
    return segment;
}

bool matches(std::string_view pattern, std::string_view path, std::vector<std::string>& parameters) {
    while (!pattern.empty() && !path.empty()) {
        const auto want = next_segment(pattern), have = next_segment(path);
        if (want.starts_with("/{") && have.size() > 1)
            parameters.emplace_back(have.substr(1));
        else if (want != have)
            return false;
    }
    return pattern.empty() && path.empty();
}

} // namespace

std::span<const route> all_routes() {
    return routes;
}

// A linear search: there are ten routes, and comparing them costs less than a hash of the path.
match match_route(http::verb method, std::string_view path) {
    match m;
    const auto wanted = method == http::verb::head ? http::verb::get : method;
    for (const auto& r : routes) {
        std::vector<std::string> parameters;
        if (!matches(r.path, path, parameters))
            continue;
        if (r.method == wanted) {
            m.found = &r;
            m.parameters = std::move(parameters);
            return m;
        }
        m.allowed += (m.allowed.empty() ? "" : ", ") + std::string(http::to_string(r.method));
        if (r.method == http::verb::get)
            m.allowed += ", HEAD";
    }
    return m;
}

} // namespace reprise::api
