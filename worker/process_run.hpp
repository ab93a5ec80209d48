// One run on this worker, from claim to finish: every step that is not done, each recorded before the next begins.
#pragma once
#include "worker/lease_book.hpp"
#include "worker/pipeline/pipeline.hpp"
#include "worker/worker_metrics.hpp"

#include "common/blob/blob_store.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/thread_pool.hpp>

#include <filesystem>
#include <memory>
#include <string>

namespace reprise::worker {

struct work_deps {
    run_queue& queue;
    blob_store& blobs;
    const pipelines& plans;
    boost::asio::thread_pool& pool;
    const std::filesystem::path& work_dir;
    const std::string& step_path; // PATH of commands
    worker_metrics& counted;
};

// Ends when the run is finished, blocked, released, or no longer ours. Never throws for what a run or the world can
// do.
boost::asio::awaitable<void> process_run(claimed_run claimed, std::shared_ptr<held_run> held, work_deps& deps);

} // namespace reprise::worker
