// What handlers use. One set per serving thread: threads share the pools and the flags, and nothing else.
#pragma once
#include "api/auth/key_ring.hpp"
#include "api/fleet.hpp"
#include "common/blob/blob_store.hpp"
#include "common/queue/run_queue.hpp"

#include <boost/asio/thread_pool.hpp>

#include <atomic>
#include <string>

namespace reprise::api {

struct services {
    redis::connection& redis;
    run_queue& queue;
    blob_store& blobs;
    key_ring& keys;
    fleet& workers;
    boost::asio::thread_pool& disk;
    boost::asio::thread_pool& documents; // for what computes
    const std::string& store_id;         // of the blob store that Redis knows
    const std::string& durability;       // required
    const std::atomic<bool>& draining;
    std::atomic<std::size_t>& body_bytes; // of requests in hand; see body_space
};

} // namespace reprise::api
