// The names of all keys in Redis: a public, versioned interface. What belongs to an organisation lies in one
// partition and shares its hash tag, so that every function touches one slot.
//
//   reprise:meta                  hash    schema, partitions, id of the blob store
//   reprise:orgs                  hash    organisation -> partition
//   reprise:key:<keyId>           hash    an API key: org, partition, user, scopes, the secret's digest
//   reprise:keys                  zset    ids of API keys by creation
//   reprise:libraries             zset    function libraries by when a program last said that it uses it
//   reprise:workers               zset    worker ids by last sign of life
//   reprise:worker:<id>           hash    host, version, slots, busy, tools, state of a worker; expires by itself
//
//   reprise:worker:<id>:order     string  what a worker is told to do: quiet, resume, drain, stop; expires
//
//   reprise:{pk}:stats            hash    counters, written only by transitions
//   reprise:{pk}:queue:<stream>   stream  tickets (run, epoch); group `workers`; streams `default` and `again`
//   reprise:{pk}:run:<id>         hash    the run itself
//   reprise:{pk}:queued           zset    queued runs, by when they were queued last
//   reprise:{pk}:leases           zset    running runs by the end of their lease
//   reprise:{pk}:delayed          zset    queued runs that wait for a time
//   reprise:{pk}:blocked[:<tool>] zset    blocked runs by when; per missing tool
//   reprise:{pk}:paused           hash    what is not started: all, mode:<mode>, project:<id> -> `ms actor reason`
//   reprise:{pk}:held:<what>      zset    queued runs set aside by a pause, by accept time; :holds set of such sets
//   reprise:{pk}:ended            zset    ended runs, by when the sweep is to expire or forget them
//   reprise:{pk}:retained         zset    <org>/<sha256> of every blob, by the time until which it is kept
//   reprise:{pk}:pinned           zset    the same of blobs that are being written
//   reprise:{pk}:events           stream  live feed of every transition and step, capped
//   reprise:{pk}:dead, :fenced    streams runs given up on; stale writes refused; capped
//   reprise:{pk}:dead:<org>       zset    dead letters: runs given up on and not retried yet, by when
//   reprise:{pk}:errors:<org>:<code>  zset  failed runs by code, by accept time
//   reprise:{pk}:failures:<org>:<day> hash  how often which step failed with which code, and the last run; a week
//   reprise:{pk}:bulk:<id>        hash    a bulk retry; :bulks set of those that go on, :bulks:<org> zset of an organisation's
//   reprise:{pk}:audit[:cancels]  streams what people did beside starting and retrying; capped
//   reprise:{pk}:samples[:week]   stream  counters and gauges every 10 s for an hour, every 10 min for a week
//   reprise:{pk}:swept            hash    time of the last sweep, and the span in which Redis was away last
//   reprise:{pk}:org:<org>        hash    plan, limit, use of this month
//   reprise:{pk}:project:<id>     hash    a project; :projects:<org> zset, :projectnames:<org> hash find it
//   reprise:{pk}:runs:<org>[:<project>|:<status>], :retries:<root>   zsets of run ids by accept time
//   reprise:{pk}:idem:<hash>      string  what an Idempotency-Key was used for; expires
#pragma once
#include <fmt/format.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace reprise::keys {

inline constexpr std::string_view schema = "1";
inline constexpr std::string_view meta = "reprise:meta";
inline constexpr std::string_view libraries = "reprise:libraries";
inline constexpr std::string_view workers = "reprise:workers";
inline constexpr std::string_view orgs = "reprise:orgs";
inline constexpr std::string_view group = "workers";
inline constexpr std::string_view bell_group = "bell";

// Streams of tickets. `again` (recovered, released, unblocked runs) is read first.
inline constexpr std::string_view again_stream = "again";
inline constexpr std::string_view default_stream = "default";

inline std::string api_key(std::string_view key_id) {
    return fmt::format("reprise:key:{}", key_id);
}
inline std::string worker(std::string_view id) {
    return fmt::format("reprise:worker:{}", id);
}
inline std::string worker_order(std::string_view id) {
    return fmt::format("reprise:worker:{}:order", id);
}

// `reprise:{p0}:`; the first key of every function, and the beginning of every key below.
inline std::string prefix(unsigned partition) {
    return fmt::format("reprise:{{p{}}}:", partition);
}

inline std::string run(unsigned p, std::string_view id) {
    return prefix(p) + "run:" + std::string(id);
}
inline std::string project(unsigned p, std::string_view id) {
    return prefix(p) + "project:" + std::string(id);
}
inline std::string projects(unsigned p, std::string_view org) {
    return prefix(p) + "projects:" + std::string(org);
}
inline std::string project_names(unsigned p, std::string_view org) {
    return prefix(p) + "projectnames:" + std::string(org);
}
inline std::string retained(unsigned p) {
    return prefix(p) + "retained";
}
inline std::string dead(unsigned p, std::string_view org) {
    return prefix(p) + "dead:" + std::string(org);
}
inline std::string stats(unsigned p) {
    return prefix(p) + "stats";
}
inline std::string paused(unsigned p) {
    return prefix(p) + "paused";
}
inline std::string bulk(unsigned p, std::string_view id) {
    return prefix(p) + "bulk:" + std::string(id);
}
// Those that go on, a set; and an organisation's, by when they were started.
inline std::string active_bulks(unsigned p) {
    return prefix(p) + "bulks";
}
inline std::string bulks(unsigned p, std::string_view org) {
    return fmt::format("{}bulks:{}", prefix(p), org);
}
inline std::string audit(unsigned p) {
    return prefix(p) + "audit";
}
inline std::string cancels(unsigned p) {
    return prefix(p) + "audit:cancels";
}
inline std::string events(unsigned p) {
    return prefix(p) + "events";
}
inline std::string errors(unsigned p, std::string_view org, std::string_view code) {
    return fmt::format("{}errors:{}:{}", prefix(p), org, code);
}
// `day`: since 1970.
inline std::string failures(unsigned p, std::string_view org, std::int64_t day) {
    return fmt::format("{}failures:{}:{}", prefix(p), org, day);
}
inline std::string pinned(unsigned p) {
    return prefix(p) + "pinned";
}
inline std::string queue(unsigned p, std::string_view stream) {
    return prefix(p) + "queue:" + std::string(stream);
}
inline std::string runs(unsigned p, std::string_view org) {
    return prefix(p) + "runs:" + std::string(org);
}
// Those of one project, or of one status; neither can be taken for the other.
inline std::string runs(unsigned p, std::string_view org, std::string_view project_or_status) {
    return fmt::format("{}runs:{}:{}", prefix(p), org, project_or_status);
}
inline std::string retries(unsigned p, std::string_view root) {
    return prefix(p) + "retries:" + std::string(root);
}

} // namespace reprise::keys
