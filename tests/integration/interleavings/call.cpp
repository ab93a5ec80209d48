#include "tests/integration/interleavings/call.hpp"

#include "common/queue/keys.hpp"

#include <fmt/ranges.h>

#include <algorithm>

namespace reprise::interleavings {
namespace {

constexpr std::string_view end_alone_facts = R"( a {"alone":true})";

std::string ms(std::chrono::milliseconds d) {
    return std::to_string(d.count());
}

// A worker's write begins with what says that it holds the run.
call written(fn what, const claim_ticket& t) {
    return {what, {t.run, std::to_string(t.epoch), t.token, t.worker}};
}

template <class... Text>
void add(call& c, Text&&... text) {
    (c.args.emplace_back(std::forward<Text>(text)), ...);
}

} // namespace

call accept(const order& o) {
    const bool start = o.source.empty();
    const auto* name = !start ? "" : o.blob == "b0" ? "Pets" : "Plants";
    return {fn::accept,
            {o.run, std::string(org), "", name, start ? "project-of-" + o.run : "", "", std::string(run_mode),
             std::string(keys::default_stream),
             fmt::format("mode {}\ninputs {{\"openapi\":{{\"sha256\":\"{}\"}}}}\n", run_mode, o.blob), o.blob,
             o.source, "client", o.idem, o.fingerprint}};
}

call cancel(const std::string& run, const std::string& token) {
    return {fn::cancel, {run, std::string(org), token, "client", "", ms(limits.retention)}};
}

call pin(const std::string& blob) {
    return {fn::pin, {std::string(org), std::to_string(pinned_while_putting), blob}};
}

call keep(const std::string& blob) {
    return {fn::keep, pin(blob).args};
}

call drop_if_due(const std::string& blob) {
    return {fn::drop_if_due, {std::string(org), blob}};
}

call claim(const std::string& worker, const std::string& token, int most, bool repeated) {
    return {fn::claim,
            {worker, token, std::to_string(most), ms(limits.lease), repeated ? "1" : "0",
             std::string(keys::again_stream), std::string(keys::default_stream)}};
}

call beat(const std::string& worker, const std::vector<claim_ticket>& held) {
    call c{fn::beat, {worker, ms(limits.lease)}};
    for (const auto& t : held)
        add(c, t.run, std::to_string(t.epoch), t.token);
    return c;
}

bool call::ends_step() const {
    return what == fn::step && std::ranges::find(args, "end") != args.end();
}

bool call::ends_step_alone() const {
    return ends_step() && std::ranges::any_of(args, [](const auto& a) { return a.ends_with(end_alone_facts); });
}

call step(const claim_ticket& t, int index, told what, const std::string& blob) {
    auto c = written(fn::step, t);
    const bool ended = what != told::begin;
    const auto facts = what == told::end_alone ? fmt::format("{}{}", t.epoch, end_alone_facts)
                                               : fmt::format(R"({} a {{"ended":{}}})", t.epoch, ended);
    add(c, "a 01234567", "current", ms(limits.hold()), std::to_string(index), ended ? "end" : "begin",
        ended ? "completed" : "running", facts, blob.empty() ? "" : "[{}]", blob);
    return c;
}

call finish(const claim_ticket& t, run_status s) {
    auto c = written(fn::finish, t);
    const bool failed = s == run_status::failed;
    add(c, std::string(name_of(s)), failed ? "failed" : "ready", "", failed ? "step_failed" : "",
        ms(limits.retention), "", "");
    return c;
}

call release(const claim_ticket& t, std::int64_t delay) {
    auto c = written(fn::release, t);
    add(c, std::to_string(delay), "handed back");
    return c;
}

call block(const claim_ticket& t, const std::string& tool) {
    auto c = written(fn::block, t);
    add(c, tool);
    return c;
}

call sweep(const std::string& tools) {
    return {fn::sweep,
            {"sweeper", "100", std::to_string(limits.poison_after), ms(limits.retention), ms(limits.queue_ttl),
             ms(limits.lease), tools, "", std::string(keys::again_stream), std::string(keys::default_stream)}};
}

call leave(const std::string& worker) {
    return {fn::leave, {worker, std::string(keys::again_stream), std::string(keys::default_stream)}};
}

call pause(const std::string& what, const std::string& actor, const std::string& reason) {
    return {fn::pause, {what, actor, reason}};
}

call resume(const std::string& what, const std::string& actor) {
    return {fn::resume, {what, actor, ""}};
}

std::vector<std::string> call::words() const {
    std::vector<std::string> w;
    if (what == fn::accept)
        w = {ms(limits.hold()), std::to_string(limits.most_queued), std::to_string(idem_kept)};
    if (is_fenced())
        w = {std::string(name()), std::to_string(args.size())};
    w.insert(w.end(), args.begin(), args.end());
    return w;
}

std::string call::text() const {
    return fmt::format("{}({})", name(), fmt::join(args, " "));
}

std::string answer::text() const {
    std::string out = head + (detail.empty() ? "" : " " + detail);
    for (const auto& t : runs)
        out += fmt::format(" {}@{}", t.run, t.epoch);
    for (const auto& r : lost)
        out += " lost " + r;
    return out;
}

answer answer_of(const call& c, redis::reply_view whole) {
    answer a;
    // Of functions that take many at once, what they say of the one.
    const auto r = c.what == fn::accept ? whole[3] : c.is_fenced() ? whole[2] : whole;
    a.head = r[0].text();
    if (a.head == "refused" || a.head == "replayed" || a.head == "repeated" || a.head == "stale")
        a.detail = r[1].text();
    for (std::size_t i = 3; c.what == fn::claim && i < r.size(); ++i) {
        const record fields(r[i][1]);
        a.runs.push_back({std::string(r[i][0].text()), fields.number("epoch"), c.args[1], c.args[0]});
    }
    for (std::size_t i = 2; c.what == fn::beat && i < r.size(); ++i)
        a.lost.emplace_back(r[i][0].text());
    for (std::size_t i = 0; (c.what == fn::pause || c.what == fn::resume) && a.ok() && i < r[1].size(); ++i)
        a.detail += fmt::format("{}{}", i == 0 ? "" : " ", r[1][i].text());
    return a;
}

} // namespace reprise::interleavings
