#include "api/routes.hpp"

#include "common/json/utf8.hpp"

#include <array>

namespace reprise::api {
namespace {

constexpr std::size_t small_body = 16u << 10;
// A document of 16 MiB as a JSON string may double (line ends, quotes); config and old SDK come on top.
constexpr std::size_t document_body = 48u << 20;

// Documents are limited by bytes, in start_run.cpp.
constexpr std::size_t any_length = ~std::size_t{0};
constexpr std::array<body_field, 1> reason_only{{{"reason", 1000}}};
constexpr std::array<body_field, 3> pause_fields{{{"mode", 40}, {"projectId", 40}, {"reason", 1000}}};
constexpr std::array<body_field, 9> bulk_fields{{{"of", 10},
                                                 {"org", 64},
                                                 {"projectId", 40},
                                                 {"code", 60},
                                                 {"step", 100},
                                                 {"rate", 10},
                                                 {"canary", 10},
                                                 {"dryRun", 10},
                                                 {"reason", 1000}}};
constexpr std::array<body_field, 10> start_fields{{{"openapiText", any_length},
                                                   {"configText", any_length},
                                                   {"oldSdkText", any_length},
                                                   {"mode", 40},
                                                   {"projectId", 40},
                                                   {"projectName", 200},
                                                   {"openapiFileName", 200},
                                                   {"configFileName", 200},
                                                   {"oldSdkFileName", 200},
                                                   {"notes", 4000}}};

constexpr auto routes = std::to_array<route>({
    {http::verb::post, "/api/reports/start", "runs:write", document_body, start_fields, start_run},
    {http::verb::post, "/api/runs/{runId}/retry", "runs:write", small_body, reason_only, retry_run},
    {http::verb::get, "/api/runs/{runId}/retry", "runs:read", 0, {}, preview_retry},
    {http::verb::get, "/api/runs/{runId}/events", "runs:read", 0, {}, watch_run},
    {http::verb::post, "/api/runs/{runId}/cancel", "runs:write", small_body, reason_only, cancel_run},
    {http::verb::get, "/api/runs/{runId}", "runs:read", 0, {}, get_run},
    {http::verb::get, "/api/runs/{runId}/explain", "runs:read", 0, {}, explain_run},
    {http::verb::get, "/api/runs/{runId}/history", "runs:read", 0, {}, show_run_history},
    {http::verb::get, "/api/runs", "runs:read", 0, {}, list_runs, true},
    {http::verb::get, "/api/dead", "runs:read", 0, {}, list_dead, true},
    {http::verb::get, "/api/failures", "runs:read", 0, {}, list_failures, true},
    {http::verb::get, "/api/projects", "runs:read", 0, {}, list_projects, true},
    {http::verb::get, "/api/projects/{projectId}", "runs:read", 0, {}, get_project},
    {http::verb::get, "/api/artifacts/download", "runs:read", 0, {}, download_artifact},
    {http::verb::post, "/api/bulk", "runs:write", small_body, bulk_fields, start_bulk},
    {http::verb::get, "/api/bulk", "runs:read", 0, {}, list_bulks, true},
    {http::verb::get, "/api/bulk/{bulkId}", "runs:read", 0, {}, get_bulk},
    {http::verb::post, "/api/bulk/{bulkId}/stop", "runs:write", small_body, reason_only, stop_bulk},
    {http::verb::get, "/api/feed", "runs:read", 0, {}, watch_all, true},
    {http::verb::get, "/api/me", "any", 0, {}, who_am_i, true},
    {http::verb::get, "/api/overview", "runs:read", 0, {}, overview, true},
    {http::verb::get, "/api/orgs", "ops:read", 0, {}, list_orgs, true},
    {http::verb::get, "/api/history", "ops:read", 0, {}, show_history, true},
    {http::verb::get, "/api/workers", "ops:read", 0, {}, list_workers, true},
    {http::verb::post, "/api/workers/{workerId}/{order}", "ops:write", small_body, reason_only, order_worker, true},
    {http::verb::get, "/api/queue", "ops:read", 0, {}, show_queue, true},
    {http::verb::post, "/api/queue/pause", "ops:write", small_body, pause_fields, pause_queue, true},
    {http::verb::post, "/api/queue/resume", "ops:write", small_body, pause_fields, resume_queue, true},
    {http::verb::get, "/api/scale", "ops:read", 0, {}, show_scale, true},
    {http::verb::get, "/api/audit", "ops:read", 0, {}, list_acts, true},
    {http::verb::get, "/openapi.json", "", 0, {}, describe},
    {http::verb::get, "/dashboard", "", 0, {}, show_dashboard},
    {http::verb::get, "/dashboard/", "", 0, {}, show_dashboard},
    {http::verb::get, "/dashboard/{asset}", "", 0, {}, dashboard_asset},
    {http::verb::get, "/livez", "", 0, {}, live},
    {http::verb::get, "/readyz", "", 0, {}, ready},
    {http::verb::get, "/metrics", "ops:read", 0, {}, show_metrics, true},
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

result<json::text_fields> read_fields(const route& r, std::string body) {
    std::vector<std::string_view> names;
    for (const auto& f : r.body)
        names.push_back(f.name);
    auto fields = json::read_text_fields(std::move(body), names);
    if (!fields)
        return fields;
    for (const auto& f : r.body) {
        const auto found = fields->find(f.name);
        if (found == fields->end() || f.most_characters == any_length)
            continue;
        const std::string name(f.name);
        if (code_points(found->second) > f.most_characters)
            return failure{f.name == "reason" ? errc::reason_too_long : errc::invalid_body,
                           name + " takes at most " + std::to_string(f.most_characters) + " characters"};
        if (found->second.find('\0') != std::string::npos)
            return failure{errc::invalid_body, name + " must not contain NUL"};
    }
    return fields;
}

// A linear search: there are a dozen routes, and comparing them costs less than a hash of the path.
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
