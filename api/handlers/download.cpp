// GET /api/artifacts/download?runId&key: the bytes of an artifact, of a step's log, or of a retained input.
#include "api/handlers/handlers.hpp"
#include "api/http/field_values.hpp"
#include "api/render.hpp"

#include <algorithm>

namespace reprise::api {
namespace asio = boost::asio;
namespace {

std::string file_name(const artifact& a) {
    auto name = a.key.substr(a.key.rfind('/') + 1);
    std::ranges::replace_if(
        name, [](char c) { return c < 0x20 || c == '"' || c == '\\' || c == 0x7f; }, '_');
    return name;
}

} // namespace

asio::awaitable<response> download_artifact(request& req, services& s) {
    const auto accept = req.header(http::field::accept);
    const auto run_id = req.query.find("runId"), key = req.query.find("key");
    if (run_id == req.query.end() || key == req.query.end())
        co_return error_response({errc::invalid_parameter, "runId and key are needed"}, accept);
    const auto run = co_await load_run(req.who, run_id->second, s);
    if (!run)
        co_return error_response(run.error(), accept); // 404

    const auto all = artifacts_of(*run);
    const auto found = std::ranges::find(all, key->second, &artifact::key);
    if (found == all.end())
        co_return error_response({errc::artifact_not_found, ""}, accept); // 404
    const auto expires = run->fields.number("expires");
    if (expires != 0 && expires <= wall_clock())
        co_return error_response({errc::artifact_expired, "expired at " + rfc3339(expires)}, accept); // 410
    const auto etag = "\"" + found->sha256 + "\"";
    if (matches_etag(req.header(http::field::if_none_match), etag)) {
        auto same = json_response(304, "");
        same.with("ETag", etag).with("Cache-Control", "private, max-age=3600");
        co_return same;
    }
    auto blob = co_await s.blobs.open({req.who.org, found->sha256});
    if (!blob)
        co_return error_response({errc::artifact_not_found, "the bytes of this artifact are gone"}, accept);

    response r;
    r.content_type = found->content_type;
    const auto whole = blob->size();
    // If-Range: the part is wanted only of the very bytes that the caller has the rest of.
    const auto condition = req.header(http::field::if_range);
    std::optional<byte_range> range;
    if (condition.empty() || condition == etag)
        range = read_range(req.header(http::field::range), whole);
    if (range && range->size == 0) {
        auto refusal = error_response({errc::range_not_satisfiable, ""}, accept);
        refusal.with("Content-Range", "bytes */" + std::to_string(whole));
        co_return refusal;
    }
    if (range) {
        r.status = 206;
        r.with("Content-Range", "bytes " + std::to_string(range->offset) + "-" +
                                    std::to_string(range->offset + range->size - 1) + "/" + std::to_string(whole));
    }
    // What generators made of a stranger's document: never run or rendered in our origin.
    r.with("Content-Disposition", "attachment; filename=\"" + file_name(*found) + "\"");
    r.with("Content-Security-Policy", "sandbox").with("Accept-Ranges", "bytes");
    r.with("ETag", etag).with("Cache-Control", "private, max-age=3600");
    const auto part = range.value_or(byte_range{0, whole});
    r.blob = blob_body{std::move(*blob), part.offset, part.size};
    co_return r;
}

} // namespace reprise::api
