// Bulk retries: start one (or count what it would retry), look how far it is, stop it.
#include "api/bulk/bulk_retry.hpp"
#include "api/handlers/handlers.hpp"
#include "api/http/field_values.hpp"
#include "common/crypto/digest.hpp"
#include "common/json/writer.hpp"
#include "common/queue/keys.hpp"
#include "common/run/id.hpp"

#include <fmt/format.h>

namespace reprise::api {
namespace asio = boost::asio;

namespace {

constexpr std::size_t most_counted = 5000; // runs, for a dry run and for what a wave is said to match
constexpr std::size_t default_page = 20;

struct asked {
    bulk_filter filter;
    std::int64_t rate = 5, canary = 1; // per second; runs
    bool dry = false;
};

result<std::int64_t> number_in(const request& req, std::string_view name, std::int64_t otherwise, std::uint64_t least,
                               std::uint64_t most) {
    const auto text = req.text(name);
    if (text.empty())
        return otherwise;
    const auto n = whole_number(text);
    if (!n || *n < least || *n > most)
        return failure{errc::invalid_body, fmt::format("{} is {} to {}", name, least, most)};
    return static_cast<std::int64_t>(*n);
}

result<asked> read_asked(const request& req) {
    asked a;
    a.filter.of = req.text("of");
    a.filter.project = req.text("projectId");
    a.filter.code = req.text("code");
    a.filter.step = req.text("step");
    if (a.filter.of != "dead" && a.filter.of != "failed")
        return failure{errc::invalid_body, "of is dead or failed"};
    const auto rate = number_in(req, "rate", a.rate, 1, 100), canary = number_in(req, "canary", a.canary, 0, 100);
    if (!rate || !canary)
        return !rate ? rate.error() : canary.error();
    a.rate = *rate;
    a.canary = *canary;
    const auto dry = req.text("dryRun");
    if (!dry.empty() && dry != "true" && dry != "false")
        return failure{errc::invalid_body, "dryRun is true or false"};
    a.dry = dry == "true";
    return a;
}

struct counted {
    std::int64_t runs = 0;
    bool more = false;
};

asio::awaitable<counted> count_matches(const bulk_filter& f, const request& req, indexed from, services& s) {
    counted c;
    for (std::size_t looks = 0; looks * 500 < most_counted; ++looks) {
        const auto found = co_await find_matches(f, req.who.partition, req.who.org, from, most_counted, s);
        c.runs += static_cast<std::int64_t>(found.runs.size());
        if (!found.from)
            co_return c;
        from = *found.from;
    }
    c.more = true;
    co_return c;
}

void write_bulk(json::writer& w, const record& b) {
    w.begin_object();
    for (const auto name : {"id", "org", "of", "state", "by"})
        w.member(name, b.text(name));
    w.optional("projectId", b.text("project")).optional("code", b.text("code")).optional("step", b.text("step"));
    for (const auto name : {"matched", "retried", "refused", "canary", "canaryFailed", "rate"})
        w.member(name, b.number(name));
    if (b.text("more") == "1")
        w.key("more").boolean(true);
    w.optional("endedBecause", b.text("because"));
    w.member("startedAt", rfc3339(b.number("started"))).optional("reason", b.text("reason")).end_object();
}

response one_bulk(unsigned status, const record& b) {
    json::writer w;
    w.begin_object().key("bulk");
    write_bulk(w, b);
    return json_response(status, w.end_object().take());
}

asio::awaitable<result<record>> load_bulk(const request& req, services& s) {
    const failure not_found{errc::bulk_not_found, ""};
    const auto& id = req.parameters.at(0);
    if (!partition_of(id_kind::bulk, id))
        co_return not_found;
    const auto answer = co_await s.redis.call(redis::command::of("HGETALL", keys::bulk(req.who.partition, id)));
    record b(answer.view());
    if (b.empty() || b.text("org") != req.who.org)
        co_return not_found;
    co_return b;
}

} // namespace

asio::awaitable<response> start_bulk(request& req, services& s) {
    const auto accept = req.header(http::field::accept);
    const auto a = read_asked(req);
    if (!a)
        co_return error_response(a.error(), accept);
    const auto key = idempotency_of(req);
    if (!key)
        co_return error_response(key.error(), accept);
    const auto now = wall_clock();
    indexed from; // whatever fails from now on is not of this wave
    from.id = "~";
    from.at = now;
    const auto matched = co_await count_matches(a->filter, req, from, s);
    if (a->dry) {
        json::writer w;
        w.begin_object().member("matched", matched.runs).key("more").boolean(matched.more).end_object();
        co_return json_response(200, w.take());
    }
    new_bulk b;
    b.id = make_id(id_kind::bulk, req.who.partition, static_cast<std::uint64_t>(now), random_base32(16));
    b.org = req.who.org;
    b.actor = req.who.actor();
    b.reason = req.text("reason");
    b.idem = key->hash;
    b.fingerprint = key->fingerprint;
    const auto add = [&b](std::string_view name, std::string value) {
        b.fields.emplace_back(name);
        b.fields.push_back(std::move(value));
    };
    add("of", a->filter.of);
    add("project", a->filter.project);
    add("code", a->filter.code);
    add("step", a->filter.step);
    add("rate", std::to_string(a->rate));
    add("canary", std::to_string(a->canary));
    add("matched", std::to_string(matched.runs));
    if (matched.more)
        add("more", "1");
    for (const char* counter : {"retried", "refused", "canaryFailed"})
        add(counter, "0");
    add("at", std::to_string(now));
    add("after", "~");
    add("user", req.who.user);
    add("key", req.who.key_id);
    const auto id = b.id;
    const auto started = co_await s.queue.start_bulk(req.who.partition, std::move(b));
    if (!started)
        co_return refusal(started.error(), req, s);
    auto r = one_bulk(202, *started);
    const std::string begun(started->text("id"));
    r.with("Location", "/api/bulk/" + begun);
    if (begun != id)
        r.with("Idempotent-Replayed", "true");
    co_return r;
}

asio::awaitable<response> get_bulk(request& req, services& s) {
    const auto b = co_await load_bulk(req, s);
    if (!b)
        co_return error_response(b.error(), req.header(http::field::accept));
    co_return one_bulk(200, *b);
}

asio::awaitable<response> stop_bulk(request& req, services& s) {
    const auto b = co_await load_bulk(req, s);
    if (!b)
        co_return error_response(b.error(), req.header(http::field::accept));
    const auto stopped =
        co_await s.queue.stop_bulk(req.who.partition, req.parameters.at(0), req.who.actor(), req.text("reason"));
    co_return one_bulk(200, stopped);
}

asio::awaitable<response> list_bulks(request& req, services& s) {
    const auto page = co_await read_page(req, s, keys::bulks, default_page);
    if (!page)
        co_return error_response(page.error(), req.header(http::field::accept));
    std::vector<redis::command> reads;
    for (const auto& one : page->found)
        reads.push_back(redis::command::of("HGETALL", keys::bulk(*partition_of(id_kind::bulk, one.id), one.id)));
    const auto records = co_await s.redis.call_all(std::move(reads));
    json::writer w;
    w.begin_object().key("bulks").begin_array();
    for (const auto& one : records)
        write_bulk(w, record(one.view()));
    w.end_array();
    co_return answer_page(w, *page, req);
}

} // namespace reprise::api
