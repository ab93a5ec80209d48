#include "worker/steps/workspace.hpp"

#include "common/async/on_pool.hpp"
#include "common/crypto/digest.hpp"
#include "common/json/document.hpp"
#include "common/log.hpp"

#include "worker/steps/artifacts.hpp"

namespace reprise::worker {
namespace asio = boost::asio;
namespace fs = std::filesystem;

workspace::workspace(const fs::path& parent, const claim_ticket& ticket, const run_record& run, blob_store& blobs,
                     asio::thread_pool& pool)
    : root_(parent / ("reprise-" + ticket.run + "-" + std::to_string(ticket.epoch) + "-" + random_base32(6))),
      org_(run.org()),
      blobs_(blobs),
      pool_(pool) {
    const auto tree = json::parse(run.fields.text("inputs"));
    if (tree && tree->IsObject())
        for (const auto& m : tree->GetObject())
            if (const auto sha = json::text_at(m.value, "sha256"); is_sha256_hex(sha))
                inputs_[m.name.GetString()] = {std::string(sha), json::number_at(m.value, "bytes")};
}

workspace::~workspace() {
    if (made_)
        remove_tree(root_);
}

const fs::path& workspace::root() {
    if (!made_) {
        fs::create_directory(root_);
        made_ = true;
        fs::permissions(root_, fs::perms::owner_all);
    }
    return root_;
}

void remove_tree(const fs::path& root) {
    // A command may have taken write permission from its own directories.
    std::error_code ec;
    for (auto it = fs::recursive_directory_iterator(root, fs::directory_options::skip_permission_denied, ec);
         !ec && it != fs::recursive_directory_iterator(); it.increment(ec))
        if (it->is_directory(ec) && !it->is_symlink(ec))
            fs::permissions(it->path(), fs::perms::owner_all, ec);
    fs::remove_all(root, ec);
    if (ec)
        log::warn("directory_left", {{"directory", root.string()}, {"why", ec.message()}});
}

void workspace::add_artifacts(std::string_view json_array) {
    const auto tree = json::parse(json_array);
    if (!tree || !tree->IsArray())
        return;
    for (const auto& a : tree->GetArray())
        artifacts_[std::string(json::text_at(a, "key"))] = {std::string(json::text_at(a, "sha256")),
                                                            json::number_at(a, "bytes")};
}

asio::awaitable<result<std::string>> workspace::fetch(std::string what, blob_reference b) {
    const blob_id id(org_, b.sha256);
    const auto found = co_await blobs_.open(id);
    if (!found)
        co_return failure{errc::inputs_corrupt, what + " is gone from the blob store"};
    if (found->size() != static_cast<std::uint64_t>(b.bytes))
        co_return failure{errc::inputs_corrupt, what + " has another size than was retained"};
    auto work = [&blob = *found] {
        auto bytes = blob.read(0, blob.size());
        auto digest = sha256_hex(bytes);
        return std::pair(std::move(bytes), std::move(digest));
    };
    auto [bytes, digest] = co_await on_pool(pool_, std::move(work));
    if (digest != b.sha256)
        co_return failure{errc::inputs_corrupt, what + " has another SHA-256 than was retained"};
    co_return std::move(bytes);
}

asio::awaitable<result<std::string>> workspace::read_input(std::string name) {
    const auto found = inputs_.find(name);
    if (found == inputs_.end())
        co_return failure{errc::inputs_corrupt, "the run has no input " + name};
    auto r = co_await fetch("the input " + name, found->second);
    co_return std::move(r);
}

asio::awaitable<result<std::string>> workspace::read_artifact(std::string key) {
    const auto found = artifacts_.find(key);
    if (found == artifacts_.end())
        co_return failure{errc::step_output_missing, "no earlier step left " + key};
    auto r = co_await fetch("the artifact " + key, found->second);
    co_return std::move(r);
}

asio::awaitable<result<fs::path>> workspace::artifact_file(std::string key) {
    if (const auto known = files_.find(key); known != files_.end())
        co_return known->second;
    auto bytes = co_await read_artifact(key);
    if (!bytes)
        co_return bytes.error();
    const auto file = root() / fs::path(key).filename();
    auto work = [&file, &text = *bytes] { write_file(file, text); };
    co_await on_pool(pool_, std::move(work));
    files_[key] = file;
    co_return file;
}

fs::path workspace::make_directory(std::string_view name) {
    const auto d = root() / ("step-" + std::string(name));
    fs::remove_all(d);
    fs::create_directory(d);
    return d;
}

} // namespace reprise::worker
