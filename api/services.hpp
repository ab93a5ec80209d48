// What handlers use. One set per serving thread: threads share the pools and the flags, and nothing else.
#pragma once
#include "api/auth/key_ring.hpp"
#include "api/fleet.hpp"
#include "api/http/body_space.hpp"
#include "api/http/cross_origin.hpp"
#include "api/http/rate_limits.hpp"
#include "api/known_sources.hpp"
#include "api/queue_levels.hpp"
#include "api/request_metrics.hpp"
#include "api/throughput.hpp"
#include "api/watch/watch_list.hpp"
#include "common/blob/gathered_looks.hpp"
#include "common/queue/run_queue.hpp"

#include <boost/asio/thread_pool.hpp>

#include <atomic>
#include <string>

namespace reprise::api {

struct services {
    redis::connection& redis;
    run_queue& queue;
    blob_store& blobs;
    gathered_looks& looks; // for blobs
    known_sources& known;
    key_ring& keys;
    const fleet& workers;
    boost::asio::thread_pool& disk;
    boost::asio::thread_pool& documents; // for what computes
    const std::string& store_id;         // of the blob store that Redis knows
    const std::string& durability;       // required
    const std::atomic<bool>& draining;
    body_budget& bodies; // of requests in hand
    watch_list& watches;
    const std::size_t most_document_bytes;
    const throughput& pace; // of the queues
    const queue_levels& levels;
    rate_limits& rates;      // by key
    rate_limits& wrong_keys; // by address
    const class cross_origin& cross_origin;
    request_metrics& counted;
};

} // namespace reprise::api
