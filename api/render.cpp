#include "api/render.hpp"

#include "common/json/document.hpp"
#include "common/queue/keys.hpp"

#include <boost/algorithm/string/classification.hpp>
#include <boost/algorithm/string/replace.hpp>
#include <boost/algorithm/string/split.hpp>
#include <boost/beast/core/string.hpp>

#include <algorithm>
#include <array>

namespace reprise::api {
namespace {

constexpr std::array<std::string_view, 3> input_names{"openapi", "config", "oldSdk"};

std::string_view input_content_type(std::string_view file_name) {
    const auto extension = file_name.substr(std::min(file_name.rfind('.'), file_name.size()));
    if (boost::beast::iequals(extension, ".json"))
        return "application/json";
    if (boost::beast::iequals(extension, ".yaml") || boost::beast::iequals(extension, ".yml"))
        return "application/yaml";
    return "application/octet-stream";
}

// Of a field that is written as it stands. Our functions keep it whole; whoever changed it by hand gets an error of that run.
std::string_view whole_object(const run_record& r, std::string_view field, std::string_view text) {
    if (!text.empty() && !json::is_object(text))
        throw std::runtime_error("run " + r.id + ": its `" + std::string(field) + "` is no JSON object");
    return text;
}

// Who, in which mode, and what for, as a JSON object. An earlier build of this schema kept it as `doc`.
std::string document_of(const run_record& r) {
    if (const auto doc = whole_object(r, "doc", r.fields.text("doc")); !doc.empty())
        return std::string(doc);
    json::writer w;
    w.begin_object().member("orgId", r.org()).member("createdByUserId", r.fields.text("user"));
    w.member("mode", r.fields.text("mode")).optional("notes", r.fields.text("notes")).end_object();
    return w.take();
}

void write_time(json::writer& w, std::string_view key, unix_ms t) {
    if (t != 0)
        w.member(key, rfc3339(t));
}

// Of the steps of a plan: a name and a digest in turn. An earlier build wrote them as JSON.
std::vector<std::string> names_in(std::string_view plan) {
    std::vector<std::string> names;
    if (plan.starts_with('{')) {
        const auto tree = json::parse(plan);
        const auto* steps = tree ? json::find(*tree, "steps") : nullptr;
        if (steps && steps->IsArray())
            for (const auto& s : steps->GetArray())
                names.emplace_back(json::text_at(s, "name"));
        return names;
    }
    std::vector<std::string> words;
    boost::algorithm::split(words, plan, boost::algorithm::is_space(), boost::algorithm::token_compress_on);
    for (std::size_t i = 0; i + 1 < words.size(); i += 2)
        names.push_back(std::move(words[i]));
    return names;
}

void write_steps(json::writer& w, const run_record& r) {
    w.key("steps").begin_array();
    std::size_t index = 0;
    while (const auto s = r.step(index)) {
        // A run that was canceled or given up took its step with it, whose worker could not say so any more.
        const bool cut_short = is_terminal(r.status()) && s->ended == 0;
        auto facts = s->facts;
        whole_object(r, "s." + std::to_string(index), facts);
        if (cut_short)
            boost::algorithm::replace_first(facts, R"("status":"running")", R"("status":"interrupted")");
        w.begin_object().splice(facts);
        write_time(w, "startedAt", s->started);
        write_time(w, "completedAt", cut_short ? r.fields.number("ended") : s->ended);
        w.end_object();
        ++index;
    }
    // Steps of the plan that have not begun, so that a watcher knows what is ahead.
    if (const auto plan = r.fields.text("plan"); !plan.empty() && !is_terminal(r.status())) {
        const auto names = names_in(plan);
        for (; index < names.size(); ++index)
            w.begin_object().member("name", names[index]).member("status", "pending").end_object();
    }
    w.end_array();
}

void write_lineage(json::writer& w, const run_record& r) {
    const auto source = r.source();
    if (source.empty())
        return;
    w.key("lineage").begin_object().member("retryOf", source).member("rootRun", r.fields.text("root"));
    w.member("retryNumber", r.fields.number("nth")).optional("reason", r.fields.text("reason")).end_object();
}

void write_artifact(json::writer& w, const run_record& r, const artifact& a) {
    w.begin_object().member("key", a.key).member("bytes", a.bytes).member("sha256", a.sha256);
    w.member("contentType", a.content_type);
    w.member("href", "/api/artifacts/download?runId=" + r.id + "&key=" + a.key).end_object();
}

void write_manifest(json::writer& w, const run_record& r, const std::vector<artifact>& artifacts) {
    const auto ended = r.fields.number("ended");
    w.key("artifactManifest").begin_object().member("version", std::int64_t{1}).member("runId", r.id);
    w.member("organizationId", r.org()).member("projectId", r.project());
    if (const auto quality = whole_object(r, "quality", r.fields.text("quality")); !quality.empty())
        w.raw_member("quality", quality);
    w.key("artifacts").begin_array();
    for (const auto& a : artifacts)
        write_artifact(w, r, a);
    w.end_array();
    write_time(w, "expiresAt", r.kept_until());
    write_time(w, "updatedAt", ended != 0 ? ended : r.fields.number("created"));
    w.end_object();
}

std::string_view verdict_of(const run_record& r, bool no_worker) {
    if (r.status() == run_status::queued)
        return no_worker ? "needs_worker" : "queued";
    if (r.status() == run_status::running)
        return {};
    return r.fields.text("verdict");
}

// `doc` and `inputs` are whole JSON objects.
void write_run(json::writer& w, const run_record& r, std::string_view doc, std::string_view inputs,
               const std::vector<artifact>& artifacts, bool no_worker) {
    w.begin_object().member("id", r.id).member("projectId", r.project()).member("status", name_of(r.status()));
    w.splice(doc);
    w.optional("verdict", verdict_of(r, no_worker));
    w.member("createdAt", rfc3339(r.fields.number("created")));
    write_time(w, "completedAt", r.fields.number("ended"));
    write_steps(w, r);
    w.key("inputSummary").begin_object().splice(inputs);
    write_lineage(w, r);
    w.end_object();
    w.optional("currentStep", r.fields.text("current"));
    write_manifest(w, r, artifacts);
    w.end_object();
}

void list_inputs(std::vector<artifact>& to, const std::vector<retained_input>& inputs) {
    for (const auto& i : inputs)
        to.push_back({"input." + i.name, i.sha256, std::string(input_content_type(i.file_name)), i.bytes});
}

} // namespace

std::string render_run(const run_record& r, bool no_worker) {
    json::writer w;
    write_run(w, r, document_of(r), whole_object(r, "inputs", r.fields.text("inputs")), artifacts_of(r), no_worker);
    return w.take();
}

void write_queued_run(json::writer& w, const run_record& r, const std::vector<retained_input>& inputs,
                      bool no_worker) {
    std::vector<artifact> artifacts;
    list_inputs(artifacts, inputs);
    write_run(w, r, document_of(r), r.fields.text("inputs"), artifacts, no_worker);
}

std::string render_project(const record& p) {
    json::writer w;
    write_project(w, p, p.number("runs"), p.number("updated"));
    return w.take();
}

void write_project(json::writer& w, const record& p, std::int64_t runs, unix_ms updated) {
    w.begin_object().member("id", p.text("id")).member("name", p.text("name"));
    w.optional("apiName", p.text("apiName")).optional("mode", p.text("mode")).optional("status", p.text("status"));
    w.member("createdAt", rfc3339(p.number("created")));
    write_time(w, "updatedAt", updated);
    w.member("runCount", runs).end_object();
}

void write_capabilities(json::writer& w, const accepted_run& a, const fleet_facts& f, bool paused,
                        const std::string& durability, std::int64_t oldest_s, std::optional<std::int64_t> start_s) {
    w.begin_object().member("queued", a.queued).member("oldestQueuedSeconds", a.queued > 1 ? oldest_s : 0);
    w.key("workers")
        .begin_object()
        .member("live", f.live)
        .member("slots", f.slots)
        .member("busy", f.busy)
        .end_object();
    w.key("canStart").boolean(!paused && f.slots > f.busy && a.queued <= f.slots - f.busy);
    if (paused)
        w.key("paused").boolean(true);
    else if (start_s)
        w.member("estimatedStartSeconds", *start_s);
    w.member("inputsRetainedUntil", rfc3339(a.kept_until)).member("durability", durability);
    w.key("quota").begin_object();
    if (a.limit)
        w.member("limit", *a.limit);
    w.member("used", a.used).member("resetsAt", rfc3339(end_of_month(a.month))).end_object().end_object();
}

run_record record_of(const new_run& n, const accepted_run& a) {
    run_record r{n.id, {}};
    auto& f = r.fields;
    f.append("status", "queued");
    f.append("seq", "1");
    f.append("epoch", "0");
    f.append("org", n.org);
    f.append("project", a.project);
    f.append("mode", n.mode);
    f.append("user", n.user);
    f.append("notes", n.notes);
    f.append("inputs", n.inputs);
    f.append("created", std::to_string(a.now));
    f.append("keptUntil", std::to_string(a.kept_until));
    f.append("source", n.source);
    f.append("root", a.root);
    f.append("nth", std::to_string(a.nth));
    f.append("reason", n.reason);
    return r;
}

std::string notes_of(const run_record& r) {
    if (const auto notes = r.fields.text("notes"); !notes.empty())
        return std::string(notes);
    const auto tree = json::parse(r.fields.text("doc"));
    return tree ? std::string(json::text_at(*tree, "notes")) : std::string();
}

std::vector<retained_input> inputs_of(const run_record& r) {
    std::vector<retained_input> out;
    const auto tree = json::parse(r.fields.text("inputs"));
    if (!tree)
        return out;
    for (const auto name : input_names)
        if (const auto* one = json::find(*tree, name))
            out.push_back({std::string(name), std::string(json::text_at(*one, "sha256")),
                           std::string(json::text_at(*one, "fileName")), json::number_at(*one, "bytes")});
    return out;
}

std::vector<artifact> artifacts_of(const run_record& r) {
    std::vector<artifact> out;
    list_inputs(out, inputs_of(r));
    for (std::size_t n = 0; const auto step = r.step(n); ++n) {
        if (step->artifacts.empty())
            continue;
        const auto tree = json::parse(step->artifacts);
        if (!tree || !tree->IsArray())
            continue;
        for (const auto& a : tree->GetArray())
            out.push_back({std::string(json::text_at(a, "key")), std::string(json::text_at(a, "sha256")),
                           std::string(json::text_at(a, "contentType")), json::number_at(a, "bytes")});
    }
    return out;
}

} // namespace reprise::api
