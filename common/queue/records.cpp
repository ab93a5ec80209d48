#include "common/queue/records.hpp"

#include "common/json/document.hpp"
#include "common/json/writer.hpp"

#include <algorithm>
#include <charconv>
#include <stdexcept>

namespace reprise {

std::int64_t number_of(std::string_view text) {
    std::int64_t n = 0;
    std::from_chars(text.data(), text.data() + text.size(), n);
    return n;
}

std::string fixed_line(std::string_view name, std::string_view value) {
    std::string line;
    if (value.empty())
        return line;
    line.reserve(name.size() + value.size() + 2);
    line.append(name).append(" ").append(value).append("\n");
    std::replace(line.begin(), line.end() - 1, '\n',
                 ' '); // between the parts of a document that somebody wrote by hand
    return line;
}

std::string fixed_text_line(std::string_view name, std::string_view text) {
    if (text.empty())
        return {};
    json::writer w;
    w.string(text);
    return fixed_line(name, w.text());
}

record::record(redis::reply_view hgetall) {
    fields_.reserve(hgetall.size() / 2 + 8);
    std::string_view fixed;
    for (std::size_t i = 0; i + 1 < hgetall.size(); i += 2) {
        const auto name = hgetall[i].text(), value = hgetall[i + 1].text();
        if (name == "fixed")
            fixed = value;
        else
            fields_.emplace_back(name, value);
    }
    add_fixed(fixed); // behind the others: an earlier build of this schema wrote these facts as fields
}

void record::add_fixed(std::string_view lines) {
    while (!lines.empty()) {
        const auto end = std::min(lines.find('\n'), lines.size());
        const auto line = lines.substr(0, end);
        lines.remove_prefix(std::min(end + 1, lines.size()));
        const auto space = line.find(' ');
        if (space == std::string_view::npos)
            continue;
        const auto name = line.substr(0, space), value = line.substr(space + 1);
        if (!value.starts_with('"')) {
            fields_.emplace_back(name, value);
        } else if (const auto text = json::parse(value); text && text->IsString()) {
            fields_.emplace_back(name, std::string(text->GetString(), text->GetStringLength()));
        }
    }
}

std::string_view record::text(std::string_view field) const {
    for (const auto& [name, value] : fields_)
        if (name == field)
            return value;
    return {};
}

std::int64_t record::number(std::string_view field) const {
    return number_of(text(field));
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
    s.started = number_of(times);
    if (const auto space = times.find(' '); space != std::string_view::npos)
        s.ended = number_of(times.substr(space + 1));
    return s;
}

} // namespace reprise
