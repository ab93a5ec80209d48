#include "common/queue/run_queue.hpp"

#include "common/queue/keys.hpp"
#include "common/run/id.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <iterator>

namespace reprise {
namespace asio = boost::asio;

namespace {

using words = std::vector<std::string>;

constexpr std::chrono::milliseconds pinned_while_putting = std::chrono::hours(1);
constexpr std::chrono::milliseconds idem_kept = std::chrono::hours(24);
constexpr const char* sweep_most = "100"; // per kind and call

// Functions and not braces: gcc 12 cannot keep an initializer list in a coroutine's frame.
template <class... Text>
void add(words& to, Text&&... text) {
    (to.emplace_back(std::forward<Text>(text)), ...);
}

template <class... Text>
words list(Text&&... text) {
    words w;
    w.reserve(sizeof...(text));
    add(w, std::forward<Text>(text)...);
    return w;
}

std::string ms(std::chrono::milliseconds d) {
    return std::to_string(d.count());
}

failure refusal(redis::reply_view r) {
    return {errc_of(r[1].text()), std::string(r[2].text())};
}

unsigned partition_of_run(const claim_ticket& t) {
    return partition_of(id_kind::run, t.run).value();
}

void append(words& to, const std::vector<step_change>& changes) {
    for (const auto& c : changes) {
        const char* phase = c.ended ? "end" : "begin";
        add(to, std::to_string(c.index), phase, c.status, c.facts, c.artifacts,
            fmt::format("{}", fmt::join(c.blobs, " ")));
    }
}

write_outcome outcome_of(redis::reply_view r) {
    if (r[0].text() == "ok")
        return write_outcome::done;
    if (r[0].text() == "stale")
        return write_outcome::stale;
    throw redis::unexpected_reply("a function answered " + std::string(r[0].text()));
}

std::vector<lost_run> lost_of(const redis::reply& r) {
    std::vector<lost_run> lost;
    for (std::size_t i = 2; i < r.size(); ++i)
        lost.push_back({std::string(r[i][0].text()), std::string(r[i][1].text()), r[i][2].number()});
    return lost;
}

} // namespace

run_queue::run_queue(functions& f, queue_limits limits)
    : f_(f),
      limits_(limits),
      accepts_(f, "accept", list(ms(limits.hold()), std::to_string(limits.most_queued), ms(idem_kept)), 3),
      advances_(f, "advance", {}, 2) {}

asio::awaitable<result<accepted_run>> run_queue::accept(unsigned partition, const new_run& n) {
    auto fixed = fixed_line("mode", n.mode) + fixed_line("trace", n.trace) + fixed_line("request", n.request) +
                 fixed_text_line("reason", n.reason) + fixed_line("inputs", n.inputs) +
                 fixed_text_line("user", n.user) + fixed_text_line("notes", n.notes);
    auto args =
        list(n.id, n.org, n.project, n.project_name, n.new_project, n.api_name, n.mode, keys::default_stream,
             std::move(fixed), fmt::format("{}", fmt::join(n.blobs, " ")), n.source, n.actor, n.idem, n.fingerprint);
    const auto answer = co_await accepts_.call(partition, std::move(args));
    const auto r = answer.own();
    if (r[0].text() == "refused")
        co_return refusal(r);
    accepted_run a;
    if (r[0].text() == "replayed" || r[0].text() == "repeated") {
        a.replayed = true;
        a.by_key = r[0].text() == "replayed";
        a.run = r[1].text();
        co_return a;
    }
    const auto& all = *answer.whole;
    a.run = n.id;
    a.now = all[1].number();
    a.kept_until = all[2].number();
    a.project = r[1].text();
    a.runs_of_project = r[2].number();
    a.queued = r[3].number();
    if (!r[4].text().empty())
        a.limit = r[4].number();
    a.used = r[5].number();
    a.month = r[6].number();
    a.root = r[7].text();
    a.nth = r[8].number();
    a.source_seq = r[9].number();
    a.source_status = r[10].text();
    co_return a;
}

asio::awaitable<std::optional<failure>> run_queue::would_refuse(unsigned partition, std::string org,
                                                                std::string project, std::vector<std::string> blobs) {
    auto args = list(std::move(org), std::move(project), fmt::format("{}", fmt::join(blobs, " ")),
                     std::to_string(limits_.most_queued));
    const auto r = co_await f_.read("forecast", partition, args);
    if (r[0].text() == "refused")
        co_return refusal(r.view());
    co_return std::nullopt;
}

asio::awaitable<result<void>> run_queue::cancel(unsigned partition, std::string run, std::string org,
                                                std::string token, std::string actor, std::string reason) {
    const auto r = co_await f_.call("cancel", partition,
                                    list(std::move(run), std::move(org), std::move(token), std::move(actor),
                                         std::move(reason), ms(limits_.retention)));
    if (r[0].text() == "refused")
        co_return refusal(r.view());
    co_return result<void>();
}

asio::awaitable<claim_result> run_queue::claim(unsigned partition, std::string worker, std::string token,
                                               std::size_t most, bool repeated) {
    const auto r =
        co_await f_.call_once("claim", partition,
                              list(worker, token, std::to_string(most), ms(limits_.lease), repeated ? "1" : "0",
                                   std::string(keys::again_stream), std::string(keys::default_stream)));
    claim_result c;
    c.now = r[1].number();
    c.looked_at_tickets = r[2].number() > 0;
    for (std::size_t i = 3; i < r.size(); ++i) {
        claimed_run claimed{
            {std::string(r[i][0].text()), 0, token, worker}, {std::string(r[i][0].text()), record(r[i][1])}, {}};
        claimed.ticket.epoch = claimed.run.epoch();
        claimed.time_left =
            limits_.run_deadline - std::chrono::milliseconds(c.now - claimed.run.fields.number("claimed"));
        c.runs.push_back(std::move(claimed));
    }
    co_return c;
}

asio::awaitable<std::vector<lost_run>> run_queue::beat(unsigned partition, std::string worker,
                                                       const std::vector<claim_ticket>& held) {
    auto args = list(std::move(worker), ms(limits_.lease));
    for (const auto& t : held)
        add(args, t.run, std::to_string(t.epoch), t.token);
    co_return lost_of(co_await f_.call("beat", partition, args));
}

asio::awaitable<std::vector<lost_run>> run_queue::check(unsigned partition, const std::vector<claim_ticket>& held) {
    words args;
    for (const auto& t : held)
        add(args, t.run, std::to_string(t.epoch));
    co_return lost_of(co_await f_.read("held", partition, args));
}

asio::awaitable<write_outcome> run_queue::advance(const claim_ticket& t, const char* what, words own,
                                                  const std::vector<step_change>& changes) {
    constexpr std::size_t of_holder = 4, of_change = 6;
    words all;
    all.reserve(2 + of_holder + own.size() + of_change * changes.size());
    add(all, what, std::to_string(of_holder + own.size() + of_change * changes.size()));
    add(all, t.run, std::to_string(t.epoch), t.token, t.worker);
    std::move(own.begin(), own.end(), std::back_inserter(all));
    append(all, changes);
    const auto answer = co_await advances_.call(partition_of_run(t), std::move(all));
    co_return outcome_of(answer.own());
}

asio::awaitable<write_outcome> run_queue::step(const claim_ticket& t, std::string plan, std::string current,
                                               const std::vector<step_change>& changes) {
    return advance(t, "step", list(std::move(plan), std::move(current), ms(limits_.hold())), changes);
}

asio::awaitable<write_outcome> run_queue::finish(const claim_ticket& t, run_status status, std::string verdict,
                                                 std::string quality, std::string error, std::string failed_step,
                                                 std::string message, const std::vector<step_change>& changes) {
    return advance(t, "finish",
                   list(std::string(name_of(status)), std::move(verdict), std::move(quality), std::move(error),
                        ms(limits_.retention), std::move(failed_step), std::move(message)),
                   changes);
}

asio::awaitable<write_outcome> run_queue::release(const claim_ticket& t, std::chrono::milliseconds delay,
                                                  std::string cause, const std::vector<step_change>& changes) {
    return advance(t, "release", list(ms(delay), std::move(cause)), changes);
}

asio::awaitable<write_outcome> run_queue::block(const claim_ticket& t, std::string tool,
                                                const std::vector<step_change>& changes) {
    return advance(t, "block", list(std::move(tool)), changes);
}

asio::awaitable<void> run_queue::leave(unsigned partition, std::string worker) {
    auto args = list(std::move(worker), keys::again_stream, keys::default_stream);
    co_await f_.call("leave", partition, args);
}

asio::awaitable<void> run_queue::sweep(unsigned partition, std::string actor, std::string tools, std::string fleet) {
    co_await f_.call("sweep", partition,
                     list(std::move(actor), sweep_most, std::to_string(limits_.poison_after), ms(limits_.retention),
                          ms(limits_.queue_ttl), ms(limits_.lease), std::move(tools), std::move(fleet),
                          std::string(keys::again_stream), std::string(keys::default_stream)));
}

asio::awaitable<result<record>> run_queue::pause(unsigned partition, std::string what, std::string actor,
                                                 std::string reason) {
    const auto r = co_await f_.call("pause", partition, list(std::move(what), std::move(actor), std::move(reason)));
    if (r[0].text() == "refused")
        co_return refusal(r.view());
    co_return record(r[1]);
}

asio::awaitable<result<record>> run_queue::resume(unsigned partition, std::string what, std::string actor,
                                                  std::string reason) {
    const auto r = co_await f_.call("resume", partition, list(std::move(what), std::move(actor), std::move(reason)));
    co_return record(r[1]);
}

asio::awaitable<result<record>> run_queue::start_bulk(unsigned partition, new_bulk b) {
    auto args = list(std::move(b.id), std::move(b.org), std::move(b.actor), std::move(b.reason), std::move(b.idem),
                     std::move(b.fingerprint), ms(idem_kept));
    std::ranges::move(b.fields, std::back_inserter(args));
    const auto r = co_await f_.call("bulk_start", partition, args);
    if (r[0].text() == "refused")
        co_return refusal(r.view());
    co_return record(r[1]);
}

asio::awaitable<record> run_queue::stop_bulk(unsigned partition, std::string id, std::string actor,
                                             std::string reason) {
    const auto r = co_await f_.call("bulk_stop", partition, list(std::move(id), std::move(actor), std::move(reason)));
    co_return record(r[1]);
}

asio::awaitable<std::optional<record>> run_queue::take_bulk_turn(unsigned partition, std::string id,
                                                                 std::string token, std::chrono::milliseconds lease) {
    const auto r = co_await f_.call("bulk_take", partition, list(std::move(id), std::move(token), ms(lease)));
    if (r[0].text() != "ok")
        co_return std::nullopt;
    co_return record(r[1]);
}

asio::awaitable<void> run_queue::end_bulk_turn(unsigned partition, std::string id, std::string token,
                                               std::string state, words fields) {
    auto args = list(std::move(id), std::move(token), std::move(state));
    std::ranges::move(fields, std::back_inserter(args));
    co_await f_.call("bulk_done", partition, args);
}

asio::awaitable<void> run_queue::note_act(unsigned partition, std::string act, std::string object, std::string actor,
                                          std::string cause) {
    co_await f_.call("act", partition, list(std::move(act), std::move(object), std::move(actor), std::move(cause)));
}

asio::awaitable<void> run_queue::pin(unsigned partition, std::string org, std::vector<std::string> blobs) {
    co_await f_.call("pin", partition,
                     list(std::move(org), ms(pinned_while_putting), fmt::format("{}", fmt::join(blobs, " "))));
}

asio::awaitable<void> run_queue::keep(unsigned partition, std::string org, std::vector<std::string> blobs) {
    co_await f_.call("keep", partition,
                     list(std::move(org), ms(pinned_while_putting), fmt::format("{}", fmt::join(blobs, " "))));
}

asio::awaitable<bool> run_queue::drop_if_due(unsigned partition, std::string org, std::string blob) {
    const auto r = co_await f_.call("drop_if_due", partition, list(std::move(org), std::move(blob)));
    co_return r[0].text() == "drop";
}

asio::awaitable<void> run_queue::ready(unsigned partition) {
    co_await f_.call("ready", partition, list());
}

} // namespace reprise
