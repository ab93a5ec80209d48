#include "api/handlers/operators/samples.hpp"

#include "api/handlers/handlers.hpp"
#include "common/json/writer.hpp"
#include "common/queue/keys.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace reprise::api {
namespace asio = boost::asio;

namespace {

// An entry is {id, {at, seconds, v, `n n n ...`}}.
sample read_sample(redis::reply_view entry) {
    sample one;
    const auto fields = entry[1];
    if (fields.size() < 4)
        return one;
    one.at = number_of(fields[1].text());
    auto text = fields[3].text();
    for (auto& value : one.values) {
        value = number_of(text);
        text.remove_prefix(std::min(text.size(), std::min(text.find(' '), text.size()) + 1));
    }
    return one;
}

// Partitions are sampled at about the same times; ages are not added up, and every one counts the same workers.
void add(sample& to, const sample& more) {
    for (std::size_t i = 0; i < more.values.size(); ++i)
        if (i >= sample::oldest_seconds && i <= sample::busy)
            to.values[i] = std::max(to.values[i], more.values[i]);
        else
            to.values[i] += more.values[i];
}

} // namespace

asio::awaitable<std::vector<sample>> read_samples(services& s, sample_span span, std::size_t most) {
    const std::int64_t every = span == sample_span::hour ? 10 : 600;
    std::vector<redis::command> reads;
    for (unsigned p = 0; p < s.queue.library().partitions(); ++p)
        reads.push_back(redis::command::of("XREVRANGE",
                                           keys::prefix(p) + (span == sample_span::hour ? "samples" : "samples:week"),
                                           "+", "-", "COUNT", std::to_string(most)));
    const auto all = co_await s.redis.call_all(std::move(reads));
    struct slot {
        sample sum;
        std::size_t partitions = 0; // the first so many
    };
    std::map<std::int64_t, slot> by_time;
    for (std::size_t p = 0; p < all.size(); ++p)
        for (std::size_t i = 0; i < all[p].size(); ++i) {
            const auto one = read_sample(all[p][i]);
            auto& [sum, partitions] = by_time[one.at / every];
            if (partitions != p) // one before is not there; or Redis' clock was set back, and this is its second here
                continue;
            sum.at = std::max(sum.at, one.at);
            add(sum, one);
            ++partitions;
        }
    std::vector<sample> out;
    for (const auto& [when, slot] : by_time)
        if (slot.partitions == all.size()) // a sum of some would look as if counters had fallen, or risen
            out.push_back(slot.sum);
    co_return out;
}

double per_second(const std::vector<sample>& samples, sample::column of) {
    if (samples.size() < 2 || samples.back().at <= samples.front().at)
        return 0;
    const auto grown = samples.back()[of] - samples.front()[of];
    return static_cast<double>(grown) / static_cast<double>(samples.back().at - samples.front().at);
}

double mean(const std::vector<sample>& samples, sample::column gauge) {
    double sum = 0;
    for (const auto& one : samples)
        sum += static_cast<double>(one[gauge]);
    return samples.empty() ? 0 : sum / static_cast<double>(samples.size());
}

std::string fixed_point(double d) {
    return fmt::format("{:.3f}", d);
}

asio::awaitable<response> show_history(request& req, services& s) {
    const auto asked = query_text(req, "span");
    if (!asked.empty() && asked != "hour" && asked != "week")
        co_return error_response({errc::invalid_parameter, "span is hour or week"}, req.header(http::field::accept));
    const auto span = asked == "week" ? sample_span::week : sample_span::hour;
    const std::size_t most = span == sample_span::hour ? 360 : 1008;
    const auto samples = co_await read_samples(s, span, most);
    json::writer w;
    w.begin_object().member("span", span == sample_span::hour ? "hour" : "week");
    w.member("stepSeconds", std::int64_t{span == sample_span::hour ? 10 : 600});
    w.key("columns").begin_array().string("at");
    for (const auto name : sample::names)
        w.string(name);
    w.end_array().key("rows").begin_array();
    for (const auto& one : samples) {
        w.begin_array().number(one.at);
        for (const auto value : one.values)
            w.number(value);
        w.end_array();
    }
    co_return json_response(200, w.end_array().end_object().take());
}

} // namespace reprise::api
