#include "common/metrics/exposition.hpp"

#include <prometheus/text_serializer.h>

#include <iterator>

namespace reprise::metrics {

std::string exposition::text() const {
    auto all = registry_.Collect();
    for (const auto& s : sampled_) {
        auto some = s->Collect();
        all.insert(all.end(), std::make_move_iterator(some.begin()), std::make_move_iterator(some.end()));
    }
    return prometheus::TextSerializer().Serialize(all);
}

family::family(prometheus::MetricType what, std::string name, std::string help) {
    family_.name = std::move(name);
    family_.help = std::move(help);
    family_.type = what;
}

family& family::value(double v, std::initializer_list<label> labels) {
    prometheus::ClientMetric m;
    for (const auto& [name, of] : labels)
        m.label.push_back({std::string(name), std::string(of)});
    (family_.type == prometheus::MetricType::Counter ? m.counter.value : m.gauge.value) = v;
    family_.metric.push_back(std::move(m));
    return *this;
}

prometheus::MetricFamily gauge(std::string name, std::string help, double value) {
    return family(prometheus::MetricType::Gauge, std::move(name), std::move(help)).value(value).take();
}

prometheus::MetricFamily counter(std::string name, std::string help, double value) {
    return family(prometheus::MetricType::Counter, std::move(name), std::move(help)).value(value).take();
}

} // namespace reprise::metrics
