#include "api/request_metrics.hpp"

#include "api/routes.hpp"

#include <algorithm>

namespace reprise::api {

namespace {

using boundaries = prometheus::Histogram::BucketBoundaries;

prometheus::Counter& counter(prometheus::Registry& r, const char* name, const char* help) {
    return prometheus::BuildCounter().Name(name).Help(help).Register(r).Add({});
}

constexpr std::array<const char*, 5> class_names{"1xx", "2xx", "3xx", "4xx", "5xx"};

std::string lower_case(std::string_view method) {
    std::string out(method);
    for (auto& c : out)
        c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    return out;
}

} // namespace

request_metrics::request_metrics() : redis_(std::make_shared<reprise::metrics::redis_traffic>(shown_)) {
    auto& r = shown_.registry();
    auto& accepted = prometheus::BuildCounter()
                         .Name("reprise_runs_accepted_total")
                         .Help("Runs that this process accepted, by what asked for them")
                         .Register(r);
    accepted_ = {&accepted.Add({{"kind", "start"}}), &accepted.Add({{"kind", "retry"}})};
    replayed_ = &counter(r, "reprise_runs_replayed_total",
                         "Requests answered with a run that an equal request had made before");
    turned_away_ = &counter(r, "reprise_http_connections_turned_away_total",
                            "Connections answered 503 at once, for there were too many");
    auto& checks = prometheus::BuildCounter()
                       .Name("reprise_blob_checks_total")
                       .Help("Looks at whether a retained input of a run to be retried is there, by what was seen")
                       .Register(r);
    blob_checks_ = {&checks.Add({{"outcome", "retained"}}), &checks.Add({{"outcome", "missing"}}),
                    &checks.Add({{"outcome", "failed"}})};
    blob_seconds_ = &prometheus::BuildHistogram()
                         .Name("reprise_blob_check_duration_seconds")
                         .Help("How long one such look took, waiting for the disk's threads included")
                         .Register(r)
                         .Add({}, boundaries{.0001, .00025, .0005, .001, .0025, .005, .01, .05, .1, .5, 1});
    count_routes();
    count_refusals();
}

void request_metrics::count_routes() {
    auto& answers = prometheus::BuildCounter()
                        .Name("reprise_http_requests_total")
                        .Help("Answers, by route (none: there was none) and class of status")
                        .Register(shown_.registry());
    auto& seconds =
        prometheus::BuildHistogram()
            .Name("reprise_http_request_duration_seconds")
            .Help("From a whole head to an answer, before any of it is sent; held requests are held in it")
            .Register(shown_.registry());
    auto add = [&](const std::string& method, const std::string& path) {
        of_route one;
        for (std::size_t c = 1; c < classes; ++c) // nothing answers 1xx
            one.answers[c] = &answers.Add({{"method", method}, {"route", path}, {"status", class_names[c]}});
        one.seconds = &seconds.Add({{"method", method}, {"route", path}},
                                   boundaries{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, 1, 5});
        routes_.push_back(one);
    };
    for (const auto& r : all_routes())
        add(lower_case(std::string_view(http::to_string(r.method))), std::string(r.path));
    add("none", "none");
}

void request_metrics::count_refusals() {
    auto& refusals = prometheus::BuildCounter()
                         .Name("reprise_http_refusals_total")
                         .Help("Requests refused, by error code")
                         .Register(shown_.registry());
    for (const auto code : {
#define CODE(name, status, meaning) errc::name,
#include "common/error_codes.def"
#undef CODE
         })
        refusals_.push_back(http_status_of(code) == 0 ? nullptr // only runs and steps have it
                                                      : &refusals.Add({{"code", std::string(code_of(code))}}));
}

void request_metrics::answered(const route* through, unsigned status, duration took) {
    auto& r = through ? routes_[static_cast<std::size_t>(through - all_routes().data())] : routes_.back();
    r.answers[std::clamp<std::size_t>(status / 100, 2, classes) - 1]->Increment();
    r.seconds->Observe(std::chrono::duration<double>(took).count());
}

redis::options request_metrics::observed(redis::options o) const {
    o.observed_by = redis_;
    return o;
}

request_metrics::blob_check::~blob_check() {
    of_.blob_checks_[outcome_]->Increment();
    of_.blob_seconds_->Observe(std::chrono::duration<double>(std::chrono::steady_clock::now() - began_).count());
}

} // namespace reprise::api
