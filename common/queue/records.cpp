#include "common/queue/records.hpp"

#include <charconv>
#include <stdexcept>

namespace reprise {
namespace {

std::int64_t to_number(std::string_view s) {
    std::int64_t n = 0;
    std::from_chars(s.data(), s.data() + s.size(), n);
    return n;
}

} // namespace

record::record(redis::reply_view hgetall) {
    fields_.reserve(hgetall.size() / 2);
    for (std::size_t i = 0; i + 1 < hgetall.size(); i += 2)
        fields_.emplace_back(hgetall[i].text(), hgetall[i + 1].text());
}

std::string_view record::text(std::string_view field) const {
    for (const auto& [name, value] : fields_)
        if (name == field)
            return value;
    return {};
}

std::int64_t record::number(std::string_view field) const {
    return to_number(text(field));
}

std::size_t record::bytes() const {
    std::size_t n = 0;
    for (const auto& [name, value] : fields_)
        n += name.size() + value.size();
    return n;
}

void record::set(std::string_view field, std::string value) {
    for (auto& [name, old] : fields_)
        if (name == field) {
            old = std::move(value);
            return;
        }
    fields_.emplace_back(field, std::move(value));
}

run_status run_record::status() const {
    const auto s = status_of(fields.text("status"));
    if (!s)
        throw std::runtime_error("run " + id + " has the unknown status \"" + std::string(fields.text("status")) +
                                 "\"");
    return *s;
}

std::optional<step_record> run_record::step(std::size_t index) const {
    const auto n = std::to_string(index);
    step_record s;
    s.facts = fields.text("s." + n);
    if (s.facts.empty())
        return std::nullopt;
    s.artifacts = fields.text("a." + n);
    const auto times = fields.text("t." + n);
    s.started = to_number(times);
    if (const auto space = times.find(' '); space != std::string_view::npos)
        s.ended = to_number(times.substr(space + 1));
    return s;
}

} // namespace reprise
