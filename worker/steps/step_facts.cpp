#include "worker/steps/step_facts.hpp"

#include "common/json/document.hpp"
#include "common/json/utf8.hpp"
#include "common/json/writer.hpp"

namespace reprise::worker {

std::string step_facts(const step_rule& rule, int attempt, const step_outcome* o) {
    json::writer w;
    w.begin_object();
    if (!rule.required)
        w.key("required").boolean(false);
    if (o && o->error) {
        w.key("error").begin_object().member("code", code_of(o->error->code));
        w.member("message", utf8_prefix(as_utf8(o->error->message), 2000));
        if (o->exit_code >= 0)
            w.member("exitCode", std::int64_t{o->exit_code});
        if (o->signal > 0)
            w.member("signal", std::int64_t{o->signal});
        w.end_object();
    }
    if (o && !o->artifacts.empty()) {
        w.key("artifacts").begin_array();
        for (const auto& a : o->artifacts)
            w.string(a.key);
        w.end_array();
    }
    w.end_object();
    auto facts = std::to_string(attempt) + " " + rule.name;
    if (w.text() != "{}")
        facts.append(" ").append(w.text());
    return facts;
}

std::optional<told_of_step> told_of(const step_rule& rule, const std::optional<step_record>& before) {
    if (!before)
        return std::nullopt;
    const auto facts = json::parse(before->facts);
    if (!facts || json::text_at(*facts, "name") != rule.name)
        return std::nullopt;
    told_of_step t;
    t.status = json::text_at(*facts, "status");
    t.next_attempt = static_cast<int>(json::number_at(*facts, "attempt"));
    if (t.status != "interrupted" && t.status != "blocked")
        ++t.next_attempt; // handed back and blocked steps did not have their try
    t.done = t.status == "completed" || (t.status == "failed" && !rule.required);
    return t;
}

} // namespace reprise::worker
