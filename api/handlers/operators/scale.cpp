// GET how many workers are wanted: enough slots for what arrives (Little's law: rate times service time) at four fifths of their
// use, and to start what waits now within the objective. What no worker could take now is not counted: held by a pause, delayed
// until a time, blocked on a tool.
#include "api/handlers/handlers.hpp"
#include "api/handlers/operators/samples.hpp"
#include "api/http/field_values.hpp"
#include "api/queue_levels.hpp"
#include "common/json/writer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace reprise::api {
namespace asio = boost::asio;

namespace {

constexpr std::uint64_t ordinary_slo = 60, longest_slo = 86'400; // seconds
constexpr double assumed_service = 30; // seconds; as long as nothing has ended that would tell
constexpr double wanted_use = 0.8;
constexpr std::size_t ten_minutes = 61; // samples
constexpr std::int64_t ordinary_slots = 2, most_workers = 10'000;

struct inputs {
    double slo = ordinary_slo, arrival = 0, service = assumed_service;
    bool service_known = false;
    queue_level now;
    std::int64_t slots_per_worker = ordinary_slots, live = 0;
};

result<double> seconds_in(const request& req, std::string_view name, double otherwise) {
    const auto text = query_text(req, name);
    if (text.empty())
        return otherwise;
    const auto n = whole_number(text);
    if (!n || *n < 1 || *n > longest_slo)
        return failure{errc::invalid_parameter, std::string(name) + " is 1 to 86400 seconds"};
    return static_cast<double>(*n);
}

// What a pause sets aside does not arrive until it is put back. Runs in hand, on average, over what is taken in hand per
// second: how long one takes.
void measure(inputs& in, const std::vector<sample>& samples) {
    in.arrival = std::max(0.0, per_second(samples, sample::accepted) - per_second(samples, sample::set_aside) +
                                   per_second(samples, sample::put_back));
    const auto started = per_second(samples, sample::started);
    const auto in_hand = mean(samples, sample::running);
    if (started > 0 && in_hand > 0) {
        in.service = in_hand / started;
        in.service_known = true;
    }
}

std::int64_t wanted_slots(const inputs& in) {
    const auto waiting = static_cast<double>(in.now.in_streams());
    const auto for_arrivals = in.arrival * in.service / wanted_use;
    // One slot starts slo/service runs within the objective, but at least the one that it takes at once.
    const auto for_backlog = waiting / std::max(1.0, in.slo / in.service) + static_cast<double>(in.now.of("running"));
    return static_cast<std::int64_t>(std::ceil(std::max(for_arrivals, for_backlog)));
}

} // namespace

asio::awaitable<response> show_scale(request& req, services& s) {
    const auto accept = req.header(http::field::accept);
    inputs in;
    const auto slo = seconds_in(req, "slo", ordinary_slo);
    const auto service = seconds_in(req, "service", 0);
    if (!slo || !service)
        co_return error_response(!slo ? slo.error() : service.error(), accept);
    in.slo = *slo;
    const auto samples = co_await read_samples(s, sample_span::hour, ten_minutes);
    measure(in, samples);
    if (*service > 0) {
        in.service = *service;
        in.service_known = true;
    }
    in.now = co_await read_whole_level(s.redis, s.queue.library().partitions());
    const auto workers = co_await read_workers(s.redis);
    std::int64_t slots = 0;
    for (const auto& w : workers)
        if (w.state == "running") {
            ++in.live;
            slots += w.slots;
        }
    if (in.live > 0)
        in.slots_per_worker = std::max<std::int64_t>(1, slots / in.live);
    const bool all_paused = s.workers.is_paused("", "");
    auto wanted = wanted_slots(in);
    if (all_paused)
        wanted = in.now.of("running"); // more could take nothing
    const auto count = std::min(most_workers, (wanted + in.slots_per_worker - 1) / in.slots_per_worker);

    json::writer w;
    w.begin_object().member("workers", count).member("slots", count * in.slots_per_worker);
    w.member("message", all_paused
                            ? std::string("The queue is paused: only what is in hand needs workers.")
                            : fmt::format("{} waiting, {} in hand, {:.2f} arriving per second, {:.1f} s each{}.",
                                          in.now.in_streams(), in.now.of("running"), in.arrival, in.service,
                                          in.service_known ? "" : " (assumed)"));
    w.key("inputs").begin_object().raw_member("sloSeconds", fixed_point(in.slo));
    w.raw_member("arrivalPerSecond", fixed_point(in.arrival)).raw_member("serviceSeconds", fixed_point(in.service));
    w.key("serviceKnown").boolean(in.service_known).member("waiting", in.now.in_streams());
    w.member("running", in.now.of("running"))
        .member("slotsPerWorker", in.slots_per_worker)
        .member("liveWorkers", in.live);
    w.key("notCounted").begin_object().member("held", in.now.of("held")).member("delayed", in.now.delayed);
    w.member("blocked", in.now.of("blocked")).end_object().end_object().end_object();
    auto r = json_response(200, w.take());
    r.with("Cache-Control", "no-store");
    co_return r;
}

} // namespace reprise::api
