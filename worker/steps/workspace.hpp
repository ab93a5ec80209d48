// The private directory of one run on one worker: inputs and earlier artifacts, fetched from the blob store and
// checked against their digests, and a directory for each step. Everything goes when the run leaves this worker.
#pragma once
#include "common/blob/blob_store.hpp"
#include "common/queue/records.hpp"
#include "common/queue/run_queue.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/thread_pool.hpp>

#include <filesystem>
#include <map>
#include <string>

namespace reprise::worker {

struct blob_reference {
    std::string sha256;
    std::int64_t bytes = 0;
};

// With whatever permissions a command has left in it. Logs what it cannot remove.
void remove_tree(const std::filesystem::path& root);

class workspace {
  public:
    workspace(const std::filesystem::path& parent, const claim_ticket& ticket, const run_record& run,
              blob_store& blobs, boost::asio::thread_pool& pool);
    ~workspace(); // removes the directory: blocking, so the last owner lets it go on a pool
    workspace(const workspace&) = delete;
    workspace& operator=(const workspace&) = delete;

    // `openapi`, `config`, `oldSdk`: those that the run retained.
    const std::map<std::string, blob_reference>& inputs() const { return inputs_; }
    // Committed by an earlier step, on whichever worker.
    void add_artifacts(std::string_view json_array);
    bool has_artifact(const std::string& key) const { return artifacts_.contains(key); }

    // Whole contents. inputs_corrupt if a blob is gone or is not what was retained.
    boost::asio::awaitable<result<std::string>> read_input(std::string name);
    boost::asio::awaitable<result<std::string>> read_artifact(std::string key);
    // As a file; the same one for each call.
    boost::asio::awaitable<result<std::filesystem::path>> artifact_file(std::string key);

    // The directory, made when it is asked for first: many a step needs none. Throws std::filesystem::filesystem_error.
    const std::filesystem::path& root();
    bool is_on_disk() const { return made_; }
    // A new, empty directory.
    std::filesystem::path make_directory(std::string_view name);
    const std::string& org() const { return org_; }
    boost::asio::thread_pool& pool() { return pool_; }

  private:
    boost::asio::awaitable<result<std::string>> fetch(std::string what, blob_reference b);
    const std::filesystem::path root_;
    bool made_ = false;
    std::string org_;
    blob_store& blobs_;
    boost::asio::thread_pool& pool_;
    std::map<std::string, blob_reference> inputs_, artifacts_;
    std::map<std::string, std::filesystem::path> files_;
};

} // namespace reprise::worker
