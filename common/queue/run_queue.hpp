// The queue as both processes see it: one method per function of the library, typed. Everything here throws
// redis::unavailable when Redis cannot serve; answers that depend on state are values.
#pragma once
#include "common/error.hpp"
#include "common/queue/function_library.hpp"
#include "common/queue/gathered_calls.hpp"
#include "common/queue/records.hpp"

#include <chrono>
#include <optional>
#include <string>
#include <vector>

namespace reprise {

// How long things are kept and how much is let in. The same for all processes of a deployment.
struct queue_limits {
    std::chrono::milliseconds lease{15'000};
    std::chrono::milliseconds queue_ttl = std::chrono::hours(24);
    std::chrono::milliseconds run_deadline = std::chrono::hours(1);
    std::chrono::milliseconds retention = std::chrono::hours(24 * 30); // of inputs and artifacts, after the end
    std::int64_t most_queued = 250'000;
    int poison_after = 3; // lost leases

    // From accept, and from each commit of artifacts: longer than any run can take.
    std::chrono::milliseconds hold() const { return queue_ttl + run_deadline + std::chrono::hours(1); }
};

struct new_run {
    std::string id, org, project, project_name, new_project,
        api_name;                          // project, or name and an id for a new one
    std::string mode, user, notes, inputs; // inputs: a JSON object
    std::vector<std::string> blobs;        // SHA-256 of the inputs
    std::string source, reason;            // of a retry; empty for a start
    std::string actor;
    std::string idem, fingerprint; // of an Idempotency-Key, or empty
    std::string trace, request;    // a traceparent; the id of the request
};

struct accepted_run {
    bool replayed = false; // accepted before: by this very call, or (by_key) by another with its idempotency key
    bool by_key = false;
    std::string run; // the run accepted then; the rest is empty
    unix_ms now = 0, kept_until = 0;
    std::int64_t queued = 0, used = 0, month = 0, nth = 0, runs_of_project = 0;
    std::optional<std::int64_t> limit;
    std::string root, project;
    std::int64_t source_seq = 0; // of the source as it was then: whoever knows it with this seq, and this
    std::string source_status;   // status, knows all of it
};

// What holds a run: every write of a worker carries it, and is refused when it is stale.
struct claim_ticket {
    std::string run;
    std::int64_t epoch = 0;
    std::string token, worker;
};

struct claimed_run {
    claim_ticket ticket;
    run_record run;
    std::chrono::milliseconds time_left{}; // until the run's deadline, counted from its first claim
};

struct claim_result {
    unix_ms now = 0;
    bool looked_at_tickets = false; // some were examined; with no run among them, it is worth asking again
    std::vector<claimed_run> runs;
};

struct step_change {
    std::size_t index = 0;
    bool ended = false;
    std::string status;    // running, completed, failed, skipped
    std::string facts;     // `<attempt> <name>`, and perhaps ` {JSON}`: functions/steps.lua
    std::string artifacts; // JSON array; empty if none
    std::vector<std::string> blobs;
};

// A bulk retry, as functions/bulk.lua has it; `fields` are names and values of its record, in turn.
struct new_bulk {
    std::string id, org, actor, reason;
    std::string idem, fingerprint; // of an Idempotency-Key, or empty
    std::vector<std::string> fields;
};

struct lost_run {
    std::string run, status;
    std::int64_t epoch = 0;
};

enum class write_outcome { done, stale };

class run_queue {
  public:
    run_queue(functions& f, queue_limits limits);

    // --- callers ---
    boost::asio::awaitable<result<accepted_run>> accept(unsigned partition, const new_run& r);
    // What accept would refuse now for the organisation, the project and these inputs; changes nothing.
    boost::asio::awaitable<std::optional<failure>> would_refuse(unsigned partition, std::string org,
                                                                std::string project, std::vector<std::string> blobs);
    boost::asio::awaitable<result<void>> cancel(unsigned partition, std::string run, std::string org,
                                                std::string token, std::string actor, std::string reason);

    // --- workers ---
    // `repeated`: the call before, with the same token, was left without an answer.
    boost::asio::awaitable<claim_result> claim(unsigned partition, std::string worker, std::string token,
                                               std::size_t most, bool repeated);
    boost::asio::awaitable<std::vector<lost_run>> beat(unsigned partition, std::string worker,
                                                       const std::vector<claim_ticket>& held);
    boost::asio::awaitable<std::vector<lost_run>> check(unsigned partition, const std::vector<claim_ticket>& held);
    boost::asio::awaitable<write_outcome> step(const claim_ticket& t, std::string plan, std::string current,
                                               const std::vector<step_change>& changes);
    boost::asio::awaitable<write_outcome> finish(const claim_ticket& t, run_status status, std::string verdict,
                                                 std::string quality, std::string error, std::string failed_step,
                                                 std::string message, const std::vector<step_change>& changes);
    boost::asio::awaitable<write_outcome> release(const claim_ticket& t, std::chrono::milliseconds delay,
                                                  std::string cause, const std::vector<step_change>& changes);
    boost::asio::awaitable<write_outcome> block(const claim_ticket& t, std::string tool,
                                                const std::vector<step_change>& changes);

    // The worker's consumers go with it.
    boost::asio::awaitable<void> leave(unsigned partition, std::string worker);

    // --- anyone ---
    // `fleet`: the workers' `live slots busy` for the samples, from who knows them.
    boost::asio::awaitable<void> sweep(unsigned partition, std::string actor, std::string tools,
                                       std::string fleet = "");
    // For an hour: before blobs are written, so that nobody drops them until an accept or a step holds them.
    boost::asio::awaitable<void> pin(unsigned partition, std::string org, std::vector<std::string> blobs);
    // The same for artifacts of a run in hand; works when Redis is out of memory, too.
    boost::asio::awaitable<void> keep(unsigned partition, std::string org, std::vector<std::string> blobs);
    boost::asio::awaitable<bool> drop_if_due(unsigned partition, std::string org,
                                             std::string blob); // true: unlink it
    boost::asio::awaitable<void> ready(unsigned partition);

    const queue_limits& limits() const { return limits_; }
    functions& library() { return f_; }

    // --- operators ---
    // `what`: all, mode:<mode> or project:<id>. Answers all that is paused in the partition then.
    boost::asio::awaitable<result<record>> pause(unsigned partition, std::string what, std::string actor,
                                                 std::string reason);
    boost::asio::awaitable<result<record>> resume(unsigned partition, std::string what, std::string actor,
                                                  std::string reason);
    // Answers its record: of an earlier one, if that was asked for with the same idempotency key.
    boost::asio::awaitable<result<record>> start_bulk(unsigned partition, new_bulk b);
    boost::asio::awaitable<record> stop_bulk(unsigned partition, std::string id, std::string actor,
                                             std::string reason);
    boost::asio::awaitable<std::optional<record>> take_bulk_turn(unsigned partition, std::string id,
                                                                 std::string token, std::chrono::milliseconds lease);
    // What a turn came to is written only if it is still the caller's.
    boost::asio::awaitable<void> end_bulk_turn(unsigned partition, std::string id, std::string token,
                                               std::string state, std::vector<std::string> fields);
    // Into the record of what people did, for what is done with plain keys.
    boost::asio::awaitable<void> note_act(unsigned partition, std::string act, std::string object, std::string actor,
                                          std::string cause);

  private:
    boost::asio::awaitable<write_outcome> advance(const claim_ticket& t, const char* what,
                                                  std::vector<std::string> words,
                                                  const std::vector<step_change>& changes);

    functions& f_;
    queue_limits limits_;
    gathered_calls accepts_, advances_;
};

} // namespace reprise
