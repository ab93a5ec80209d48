#include "api/watch/event.hpp"

#include "common/json/document.hpp"
#include "common/json/writer.hpp"

#include <algorithm>
#include <array>
#include <charconv>

namespace reprise::api {
namespace {

std::int64_t number(std::string_view s) {
    std::int64_t n = 0;
    std::from_chars(s.data(), s.data() + s.size(), n);
    return n;
}

// A line is `seq ms status actor` in a history and `seq ms step.status name` in a trail.
run_event read_line(std::string_view line, bool transition, unix_ms created) {
    std::array<std::string_view, 4> words;
    for (auto& word : words) {
        word = line.substr(0, &word == &words.back() ? line.size() : line.find(' '));
        line.remove_prefix(std::min(line.size(), word.size() + 1));
    }
    run_event e;
    e.seq = number(words[0]);
    e.at = transition ? number(words[1]) : time_of_step(number(words[1]), created);
    e.type = transition ? "run." + std::string(words[2]) : std::string(words[2]);
    (transition ? e.by : e.step) = words[3];
    return e;
}

void add_lines(std::vector<run_event>& to, std::int64_t seq, std::string_view lines, bool transitions,
               unix_ms created) {
    while (!lines.empty()) {
        const auto line = lines.substr(0, lines.find('\n'));
        lines.remove_prefix(std::min(lines.size(), line.size() + 1));
        if (number(line) > seq)
            to.push_back(read_line(line, transitions, created));
    }
}

} // namespace

bool run_event::is_end() const {
    if (!type.starts_with("run."))
        return false;
    const auto status = status_of(std::string_view(type).substr(4));
    return status && is_terminal(*status);
}

std::string run_event::text(std::string_view run) const {
    json::writer w;
    w.begin_object().member("runId", run).member("seq", seq).member("type", type).member("at", rfc3339(at));
    const auto status = std::string_view(type).substr(type.find('.') + 1);
    if (step.empty())
        w.member("status", status);
    else
        w.member("step", step).member("stepStatus", status);
    w.end_object();
    return "id: " + std::to_string(seq) + "\nevent: " + type + "\ndata: " + w.take() + "\n\n";
}

std::vector<run_event> events_after(std::int64_t seq, const run_record& r) {
    std::vector<run_event> out;
    const auto created = r.fields.number("created");
    add_lines(out, seq, r.fields.text("history"), true, created);
    add_lines(out, seq, r.fields.text("trail"), false, created);
    for (const auto& s : r.steps()) {
        const auto facts = json::parse(s.facts);
        if (!facts)
            continue;
        const std::string name(json::text_at(*facts, "name"));
        if (s.began_as > seq)
            out.push_back({s.began_as, s.started, "step.running", name, ""});
        if (s.ended_as > seq)
            out.push_back({s.ended_as, s.ended, "step." + std::string(json::text_at(*facts, "status")), name, ""});
    }
    std::ranges::sort(out, {}, &run_event::seq);
    return out;
}

} // namespace reprise::api
