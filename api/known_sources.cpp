#include "api/known_sources.hpp"

namespace reprise::api {
namespace {

constexpr std::size_t most_bytes = 4 << 20; // of records; with what is made of them it is up to four times as much
constexpr std::size_t most_projects = 1000;
constexpr auto project_known_for = std::chrono::seconds(2);

std::string name_of_run(std::string_view org, std::string_view id) {
    std::string name;
    name.reserve(org.size() + 1 + id.size());
    name.append(org).append(" ").append(id);
    return name;
}

} // namespace

source_run::source_run(run_record r)
    : record_(std::move(r)), inputs_(inputs_of(record_)), notes_(notes_of(record_)) {}

std::string_view source_run::rendered(bool no_worker) const {
    auto& text = rendered_[no_worker ? 1 : 0];
    if (text.empty())
        text = render_run(record_, no_worker);
    return text;
}

std::shared_ptr<const source_run> known_sources::find(std::string_view org, std::string_view id) const {
    const auto found = runs_.find(name_of_run(org, id));
    return found == runs_.end() ? nullptr : found->second;
}

std::shared_ptr<const source_run> known_sources::remember(run_record r) {
    const auto size = r.fields.bytes();
    auto name = name_of_run(r.org(), r.id);
    auto run = std::make_shared<const source_run>(std::move(r));
    if (bytes_ + size > most_bytes) { // those in use come back with one read each
        runs_.clear();
        bytes_ = 0;
    }
    if (size > most_bytes)
        return run;
    auto& place = runs_[std::move(name)];
    if (place)
        bytes_ -= place->record().fields.bytes();
    place = run;
    bytes_ += size;
    return run;
}

const record* known_sources::find_project(const std::string& id) const {
    const auto found = projects_.find(id);
    if (found == projects_.end() || found->second.until < std::chrono::steady_clock::now())
        return nullptr;
    return &found->second.fields;
}

void known_sources::remember_project(const std::string& id, record fields) {
    if (projects_.size() >= most_projects)
        projects_.clear();
    projects_[id] = {std::move(fields), std::chrono::steady_clock::now() + project_known_for};
}

} // namespace reprise::api
