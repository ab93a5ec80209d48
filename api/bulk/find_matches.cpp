#include "api/bulk/bulk_retry.hpp"
#include "common/queue/keys.hpp"

namespace reprise::api {
namespace asio = boost::asio;

namespace {
constexpr std::size_t at_once = 100, most_looked_at = 500;

std::string index_of(const bulk_filter& f, unsigned partition, const std::string& org) {
    if (f.of == "dead")
        return keys::dead(partition, org);
    if (!f.code.empty())
        return keys::errors(partition, org, f.code);
    return keys::runs(partition, org, "failed");
}

bool matches(const bulk_filter& f, const redis::reply& r) {
    return r[0].text() == "failed" && (f.project.empty() || r[1].text() == f.project) &&
           (f.code.empty() || r[2].text() == f.code) && (f.step.empty() || r[3].text() == f.step);
}

} // namespace

bulk_filter filter_of(const record& bulk) {
    bulk_filter f;
    f.of = bulk.text("of");
    f.project = bulk.text("project");
    f.code = bulk.text("code");
    f.step = bulk.text("step");
    return f;
}

asio::awaitable<bulk_matches> find_matches(const bulk_filter& f, unsigned partition, const std::string& org,
                                           indexed from, std::size_t most, services& s) {
    bulk_matches out;
    const auto index = index_of(f, partition, org);
    for (std::size_t looked_at = 0; looked_at < most_looked_at && out.runs.size() < most;) {
        const auto found = co_await read_index(s.redis, index, from, at_once);
        std::vector<redis::command> reads;
        for (const auto& one : found)
            reads.push_back(
                redis::command::of("HMGET", keys::run(partition, one.id), "status", "project", "error", "deadStep"));
        if (reads.empty())
            co_return out;
        const auto records = co_await s.redis.call_all(std::move(reads));
        for (std::size_t i = 0; i < found.size() && out.runs.size() < most; ++i) {
            from = found[i];
            ++looked_at;
            if (matches(f, records[i]))
                out.runs.push_back(found[i]);
        }
        if (found.size() < at_once && from.id == found.back().id)
            co_return out;
    }
    out.from = from;
    co_return out;
}

} // namespace reprise::api
