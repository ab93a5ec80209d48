// GET what people did, the latest first: starts and retries as the runs themselves tell of them, all else from the record of
// acts. Ordered sources are merged by time; a cursor is a time, and how many acts of it were told already.
#include "api/auth/acting.hpp"
#include "api/handlers/handlers.hpp"
#include "api/handlers/index_page.hpp"
#include "api/http/field_values.hpp"
#include "common/json/writer.hpp"
#include "common/queue/keys.hpp"
#include "common/run/id.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <span>

namespace reprise::api {
namespace asio = boost::asio;

namespace {

constexpr std::size_t default_page = 50;

struct act {
    unix_ms at = 0;
    std::string by, what, object, cause;
    bool begins_run = false; // then `object` is all that is known until its record is read
};

struct place {
    unix_ms at = 99'999'999'999'999; // the next page begins at this time,
    std::size_t told = 0;            // behind so many of it
};

std::optional<place> read_cursor(std::string_view text) {
    constexpr std::uint64_t most_told = 1000; // of one millisecond: far more than can happen in it
    if (text.empty())
        return place{};
    const auto dash = text.find('-');
    if (dash == std::string_view::npos)
        return std::nullopt;
    const auto at = whole_number(text.substr(0, dash)), told = whole_number(text.substr(dash + 1));
    if (!at || *at > static_cast<std::uint64_t>(place{}.at) || !told || *told > most_told)
        return std::nullopt;
    return place{static_cast<unix_ms>(*at), static_cast<std::size_t>(*told)};
}

// Entries are {id, {act, object, by, cause}}, and an id begins with its time.
asio::awaitable<void> read_acts(std::vector<act>& to, unix_ms before, std::size_t most, services& s) {
    std::vector<redis::command> reads;
    for (unsigned p = 0; p < s.queue.library().partitions(); ++p)
        for (const auto& stream : {keys::audit(p), keys::cancels(p)})
            reads.push_back(
                redis::command::of("XREVRANGE", stream, std::to_string(before), "-", "COUNT", std::to_string(most)));
    const auto all = co_await s.redis.call_all(std::move(reads));
    for (const auto& entries : all)
        for (std::size_t i = 0; i < entries.size(); ++i) {
            const record fields(entries[i][1]);
            to.push_back({number_of(entries[i][0].text()), std::string(fields.text("by")),
                          std::string(fields.text("act")), std::string(fields.text("object")),
                          std::string(fields.text("cause")), false});
        }
}

asio::awaitable<void> find_starts(std::vector<act>& to, std::vector<organisation> orgs, unix_ms before,
                                  std::size_t most, services& s) {
    std::vector<std::string> indexes;
    for (const auto& o : orgs)
        indexes.push_back(keys::runs(o.partition, o.name));
    indexed last; // behind all ids of its time
    last.id = "~";
    last.at = before;
    for (auto& run : co_await read_indexes(s.redis, std::move(indexes), last, most))
        to.push_back({run.at, "", "", std::move(run.id), "", true});
}

// Of those that are runs' starts. The first line of a run's history says who made it.
asio::awaitable<void> read_starts(std::span<act> acts, services& s) {
    std::vector<redis::command> reads;
    for (const auto& a : acts)
        if (a.begins_run)
            reads.push_back(
                redis::command::of("HGETALL", keys::run(*partition_of(id_kind::run, a.object), a.object)));
    const auto records = co_await s.redis.call_all(std::move(reads));
    auto next = records.begin();
    for (auto& a : acts) {
        if (!a.begins_run)
            continue;
        const run_record r{a.object, record((next++)->view())};
        const auto history = r.fields.text("history"),
                   first = history.substr(0, history.find('\n')); // `1 ms queued actor`
        const auto source = r.source(), reason = r.fields.text("reason");
        a.what = source.empty() ? "start" : "retry";
        if (first.starts_with("1 "))
            a.by = first.substr(first.rfind(' ') + 1);
        if (!source.empty())
            a.cause = fmt::format("of {}{}{}", source, reason.empty() ? "" : ": ", reason);
    }
}

} // namespace

asio::awaitable<response> list_acts(request& req, services& s) {
    const auto accept = req.header(http::field::accept);
    const auto limit = page_limit(req, default_page);
    const auto from = read_cursor(query_text(req, "cursor"));
    if (!limit || !from)
        co_return error_response(
            !limit ? limit.error()
                   : failure{errc::invalid_parameter, "the cursor is not one that this list gave out"},
            accept);
    auto orgs = co_await organisations_of(req.who, s);
    if (!orgs)
        co_return error_response(orgs.error(), accept);
    std::vector<act> acts;
    const auto end = from->told + *limit;
    if (req.who.acts_for_all()) // what is on record is of the whole service; of one organisation, what made its runs
        co_await read_acts(acts, from->at, end + 1, s);
    co_await find_starts(acts, std::move(*orgs), from->at, end + 1, s);
    std::ranges::stable_sort(acts, std::ranges::greater(), &act::at);
    const bool more = acts.size() > end;
    const auto begin = std::min(from->told, acts.size());
    const std::span page(acts.begin() + static_cast<std::ptrdiff_t>(begin), std::min(end, acts.size()) - begin);
    co_await read_starts(page, s);

    json::writer w;
    w.begin_object().key("acts").begin_array();
    for (const auto& a : page) {
        w.begin_object().member("at", rfc3339(a.at)).member("by", a.by).member("act", a.what);
        w.member("object", a.object).optional("cause", a.cause).end_object();
    }
    w.end_array();
    if (more) {
        const auto at = acts[end - 1].at;
        std::size_t told = 1;
        while (told < end && acts[end - told - 1].at == at)
            ++told;
        w.member("nextCursor", fmt::format("{}-{}", at, told));
    }
    co_return json_response(200, w.end_object().take());
}

} // namespace reprise::api
