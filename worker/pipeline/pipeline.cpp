#include "worker/pipeline/pipeline.hpp"

#include "common/crypto/digest.hpp"
#include "common/json/document.hpp"

#include <boost/algorithm/string/replace.hpp>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <stdexcept>

namespace reprise::embedded {
extern const std::string_view default_pipelines;
}

namespace reprise::worker {
namespace {

constexpr std::array<std::string_view, 5> builtins{"", "verify_inputs", "validate_spec", "quality_gate", "noop"};
constexpr std::size_t most_steps = 40;

[[noreturn]] void wrong(const std::string& where, const std::string& what) {
    throw std::invalid_argument("pipelines: " + where + ": " + what);
}

void only_known(const json::value& v, const std::string& where, const std::set<std::string_view>& known) {
    if (!v.IsObject())
        wrong(where, "is not an object");
    for (const auto& m : v.GetObject())
        if (!known.contains(std::string_view(m.name.GetString(), m.name.GetStringLength())))
            wrong(where, std::string("has the unknown member ") + m.name.GetString());
}

// Artifact keys and paths stay below the run and below the step's directory.
bool is_plain_path(std::string_view p) {
    if (p.empty() || p.front() == '/' || p.size() > 200)
        return false;
    return p.find("..") == std::string_view::npos && std::ranges::all_of(p, [](char c) {
               return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
                      c == '_' || c == '-' || c == '/';
           });
}

artifact_rule read_artifact(const json::value& v, const std::string& where) {
    only_known(v, where, {"key", "path", "contentType", "archive"});
    artifact_rule a{std::string(json::text_at(v, "key")), std::string(json::text_at(v, "path")),
                    std::string(json::text_at(v, "contentType", "application/octet-stream")),
                    json::bool_at(v, "archive")};
    if (!is_plain_path(a.key) || !is_plain_path(a.path))
        wrong(where, "needs a key and a path, both relative and plain");
    return a;
}

step_rule read_step(const json::value& v, const std::string& where, const std::map<std::string, std::string>& tools,
                    const std::string& toolchain) {
    only_known(v, where,
               {"name", "builtin", "tool", "argv", "okExitCodes", "stdout", "timeoutSeconds", "memoryMiB", "attempts",
                "required", "artifacts"});
    step_rule s;
    s.name = json::text_at(v, "name");
    s.builtin = json::text_at(v, "builtin");
    s.tool = json::text_at(v, "tool");
    s.stdout_file = json::text_at(v, "stdout");
    s.timeout = std::chrono::seconds(json::number_at(v, "timeoutSeconds", 120));
    s.memory_mib = json::number_at(v, "memoryMiB", 2048);
    s.attempts = static_cast<int>(json::number_at(v, "attempts", 3));
    s.required = json::bool_at(v, "required", true);
    if (s.name.empty() || !is_plain_path(s.name) || s.name.find('/') != std::string::npos)
        wrong(where, "needs a plain name");
    if (std::ranges::find(builtins, s.builtin) == builtins.end())
        wrong(where, "names the unknown builtin " + s.builtin);
    if (s.timeout.count() < 1 || s.attempts < 1 || s.memory_mib < 16)
        wrong(where, "needs a timeout and attempts of at least 1 and memory of at least 16 MiB");
    if (!s.stdout_file.empty() && !is_plain_path(s.stdout_file))
        wrong(where, "stdout must be a plain relative path");
    if (!s.tool.empty() && !tools.contains(s.tool))
        wrong(where, "needs the tool " + s.tool + ", which `tools` does not name");

    if (const auto* argv = json::find(v, "argv"); argv && argv->IsArray())
        for (const auto& word : argv->GetArray()) {
            if (!word.IsString())
                wrong(where, "argv takes strings");
            auto text = boost::algorithm::replace_all_copy(std::string(word.GetString()), "{toolchain}", toolchain);
            s.argv.push_back(s.tool.empty() ? text
                                            : boost::algorithm::replace_all_copy(text, "{tool}", tools.at(s.tool)));
        }
    if (const auto* codes = json::find(v, "okExitCodes"); codes && codes->IsArray()) {
        s.ok_exit_codes.clear();
        for (const auto& code : codes->GetArray())
            s.ok_exit_codes.push_back(code.IsInt() ? code.GetInt() : -1);
    }
    if (const auto* artifacts = json::find(v, "artifacts"); artifacts && artifacts->IsArray())
        for (const auto& a : artifacts->GetArray())
            s.artifacts.push_back(read_artifact(a, where + ", artifact"));
    if (s.builtin.empty() && s.argv.empty())
        wrong(where, "has neither a builtin nor a command");
    return s;
}

pipeline read_pipeline(const json::value& v, const std::string& mode, const std::map<std::string, std::string>& tools,
                       const std::string& toolchain) {
    if (!v.IsArray() || v.Empty() || v.Size() > most_steps)
        wrong(mode, "must be a list of 1 to 40 steps");
    pipeline p;
    std::set<std::string> names;
    for (const auto& s : v.GetArray()) {
        p.steps.push_back(read_step(s, mode + ", step " + std::to_string(p.steps.size() + 1), tools, toolchain));
        if (!names.insert(p.steps.back().name).second)
            wrong(mode, "has two steps named " + p.steps.back().name);
    }
    for (const auto& s : p.steps)
        p.plan.append(p.plan.empty() ? "" : " ").append(s.name).append(" ").append(s.digest());
    return p;
}

} // namespace

std::string step_rule::digest() const {
    sha256 d;
    d.update(name + '\0' + builtin + '\0' + std::to_string(timeout.count()) + '\0');
    for (const auto& word : argv)
        d.update(word + '\0');
    return d.hex().substr(0, 8);
}

pipelines pipelines::parse(std::string_view text, const std::string& toolchain) {
    const auto tree = json::parse(text);
    if (!tree)
        wrong("the file", tree.error().message);
    only_known(*tree, "the file", {"version", "tools", "pipelines"});
    if (json::number_at(*tree, "version") != 1)
        wrong("the file", "must have \"version\": 1");
    pipelines p;
    if (const auto* tools = json::find(*tree, "tools"); tools && tools->IsObject())
        for (const auto& t : tools->GetObject()) {
            if (!t.value.IsString())
                wrong("tools", "a tool is the path of a file");
            p.tools_[t.name.GetString()] =
                boost::algorithm::replace_all_copy(std::string(t.value.GetString()), "{toolchain}", toolchain);
        }
    const auto* modes = json::find(*tree, "pipelines");
    if (!modes || !modes->IsObject() || !json::find(*modes, "default"))
        wrong("the file", "must have `pipelines` with at least `default`");
    for (const auto& m : modes->GetObject())
        p.by_mode_.emplace(m.name.GetString(), read_pipeline(m.value, m.name.GetString(), p.tools_, toolchain));
    return p;
}

pipelines pipelines::built_in(const std::string& toolchain) {
    return parse(embedded::default_pipelines, toolchain);
}

pipelines pipelines::from_file(const std::string& file, const std::string& toolchain) {
    std::ifstream in(file);
    std::ostringstream text;
    text << in.rdbuf();
    if (!in)
        throw std::invalid_argument("REPRISE_PIPELINES: cannot read " + file);
    return parse(text.str(), toolchain);
}

std::string pipelines::tools_here() const {
    std::string out;
    for (const auto& [name, path] : tools_) {
        std::error_code ec;
        if (std::filesystem::exists(path, ec))
            out += (out.empty() ? "" : " ") + name;
    }
    return out;
}

std::set<std::string> pipelines::step_names() const {
    std::set<std::string> all;
    for (const auto& [mode, p] : by_mode_)
        for (const auto& s : p.steps)
            all.insert(s.name);
    return all;
}

const pipeline& pipelines::of_mode(std::string_view mode) const {
    const auto found = by_mode_.find(mode);
    return found != by_mode_.end() ? found->second : by_mode_.find("default")->second;
}

std::string pipelines::modes() const {
    std::string out;
    for (const auto& [mode, steps] : by_mode_)
        out += (out.empty() ? "" : " ") + mode;
    return out;
}

} // namespace reprise::worker
