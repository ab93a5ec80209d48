// All metrics of a process, and the text in which Prometheus reads them (exposition format 0.0.4). What is counted where it
// happens lives in the registry; what is known elsewhere is sampled when somebody asks.
#pragma once
#include <prometheus/collectable.h>
#include <prometheus/registry.h>

#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace reprise::metrics {

inline constexpr std::string_view content_type = "text/plain; version=0.0.4; charset=utf-8";

class exposition {
  public:
    prometheus::Registry& registry() { return registry_; }
    // Before anybody asks for the text.
    void add(std::shared_ptr<const prometheus::Collectable> c) { sampled_.push_back(std::move(c)); }
    std::string text() const; // from any thread

  private:
    prometheus::Registry registry_;
    std::vector<std::shared_ptr<const prometheus::Collectable>> sampled_;
};

// --- for what is sampled ---

using label = std::pair<std::string_view, std::string_view>;

class family {
  public:
    // `what`: MetricType::Gauge or Counter.
    family(prometheus::MetricType what, std::string name, std::string help);
    family& value(double v, std::initializer_list<label> labels = {});
    prometheus::MetricFamily take() { return std::move(family_); }

  private:
    prometheus::MetricFamily family_;
};

prometheus::MetricFamily gauge(std::string name, std::string help, double value);
prometheus::MetricFamily counter(std::string name, std::string help, double value);

} // namespace reprise::metrics
