#include "common/queue/records.hpp"

#include "common/json/document.hpp"
#include "common/json/writer.hpp"

#include <algorithm>
#include <array>
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
    if (value.find('\n') != std::string_view::npos) // between the parts of a document that somebody wrote by hand
        std::replace(line.begin(), line.end() - 1, '\n', ' ');
    return line;
}

std::string fixed_text_line(std::string_view name, std::string_view text) {
    if (text.empty())
        return {};
    json::writer w;
    w.string(text);
    return fixed_line(name, w.text());
}

unix_ms time_of_step(std::int64_t at, unix_ms created) {
    constexpr std::int64_t longest_run = 100'000'000'000; // three years
    return at < longest_run ? created + at : at;
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

std::string_view run_record::source() const {
    const auto source = fields.text("source");
    return source.empty() ? fields.text("root")
                          : source; // of the first retry in a line they are the same, and written once
}

unix_ms run_record::kept_until() const {
    for (const auto* field : {"expires", "keptUntil"})
        if (const auto until = fields.number(field); until != 0)
            return until;
    return fields.number("created") + fields.number("hold");
}

namespace {

// The next word of a line.
std::string_view word_of(std::string_view& line) {
    const auto word = line.substr(0, line.find(' '));
    line.remove_prefix(std::min(line.size(), word.size() + 1));
    return word;
}

// `<seq> <at> <seq> <at> <epoch> <status> <attempt> <name> [{JSON}]`; functions/steps.lua writes it.
std::optional<step_record> step_in(std::string_view line, unix_ms created) {
    step_record s;
    s.began_as = number_of(word_of(line));
    s.started = time_of_step(number_of(word_of(line)), created);
    s.ended_as = number_of(word_of(line));
    const auto ended = number_of(word_of(line));
    if (s.ended_as != 0)
        s.ended = time_of_step(ended, created);
    word_of(line); // epoch
    const auto status = word_of(line), attempt = word_of(line), name = word_of(line);
    if (name.empty() || (!line.empty() && !json::is_object(line)))
        return std::nullopt;
    json::writer w;
    w.begin_object().member("name", name).member("status", status).member("attempt", number_of(attempt));
    s.facts = w.splice(line).end_object().take();
    return s;
}

} // namespace

std::vector<step_record> run_record::steps() const {
    std::vector<step_record> out;
    auto lines = fields.text("steps");
    while (!lines.empty()) {
        auto line = lines.substr(0, lines.find('\n'));
        lines.remove_prefix(std::min(lines.size(), line.size() + 1));
        if (line.empty())
            continue; // a line begins with its end
        word_of(line);
        if (auto s = step_in(line, fields.number("created")))
            out.push_back(*std::move(s));
    }
    return out;
}

std::optional<step_record> run_record::step(std::size_t index) const {
    const auto n = std::to_string(index);
    const auto lines = fields.text("steps");
    const auto mark = "\n" + n + " ";
    const auto at = lines.find(mark);
    if (at == std::string_view::npos)
        return step_of_earlier_build(n);
    auto line = lines.substr(at + mark.size());
    auto s = step_in(line.substr(0, line.find('\n')), fields.number("created"));
    if (!s)
        throw std::runtime_error("run " + id + ": its step " + n + " is recorded in no way that is known");
    s->artifacts = fields.text("a." + n);
    return s;
}

// A field for each step.
std::optional<step_record> run_record::step_of_earlier_build(const std::string& index) const {
    step_record s;
    s.facts = fields.text("s." + index);
    if (s.facts.empty())
        return std::nullopt;
    s.artifacts = fields.text("a." + index);
    const auto times = fields.text("t." + index);
    s.started = number_of(times);
    if (const auto space = times.find(' '); space != std::string_view::npos)
        s.ended = number_of(times.substr(space + 1));
    return s;
}

} // namespace reprise
