// Ids, keys, cursors, and the values of header fields: each reads any text, and finds in it what is there or nothing.
#include "tests/fuzz/fuzz.hpp"

#include "api/auth/api_key.hpp"
#include "api/http/field_values.hpp"
#include "api/watch/event.hpp"
#include "common/run/id.hpp"
#include "common/run/trace.hpp"

#include <algorithm>

using namespace reprise;
using fuzz::require;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto text = fuzz::text_of(data, size);

    for (const auto kind : {id_kind::run, id_kind::project})
        if (const auto partition = partition_of(kind, text))
            require(text.size() == 32 && *partition < max_partitions);
    if (const auto key = api::parse_api_key(text))
        require(key->text() == text);

    require(api::preferred_wait(text) >= 0 && api::preferred_wait(text) <= 60);
    if (const auto id = api::request_id(text))
        require(!id->empty() && id->size() <= 128);
    if (const auto key = api::idempotency_key(text))
        require(!key->empty() && key->size() <= 255 && key->find('"') == std::string_view::npos);
    for (const std::uint64_t bytes : {0ull, 1ull, 1000ull, ~0ull})
        if (const auto range = api::read_range(text, bytes))
            require(range->size == 0 || (range->offset < bytes && range->size <= bytes - range->offset));
    api::matches_etag(text, "\"5\"");
    const auto trace = continued_trace(text);
    require(trace.empty() || trace == text);

    if (const auto query = api::parse_query(text))
        require(std::ranges::all_of(*query, [&](const auto& q) { return q.second.size() <= text.size(); }));

    run_record run;
    const auto third = text.size() / 3;
    run.fields.append("history", std::string(text.substr(0, third)));
    run.fields.append("trail", std::string(text.substr(third, third)));
    run.fields.append("steps", std::string(text.substr(2 * third)));
    const auto events = api::events_after(3, run);
    require(std::ranges::is_sorted(events, {}, &api::run_event::seq));
    for (const auto& e : events) {
        require(e.seq > 3);
        const auto told = e.text("run_x");
        require(told.ends_with("\n\n") && std::ranges::count(told, '\n') == 4);
    }
    return 0;
}
