// Every call of the API, one function each; routes.cpp says which path leads where. By the time a handler runs
// the caller is known and has the scope, and the body is there and is JSON by its type. What a handler refuses
// is a value; an outage (Redis, disk) is an exception that the session turns into 503.
#pragma once
#include "api/http/message.hpp"
#include "api/services.hpp"
#include "common/queue/records.hpp"

#include <boost/asio/awaitable.hpp>

namespace reprise::api {

using handled = boost::asio::awaitable<response>;

handled start_run(request& req, services& s);
handled retry_run(request& req, services& s);
handled preview_retry(request& req, services& s);
handled watch_run(request& req, services& s);
handled cancel_run(request& req, services& s);
handled get_run(request& req, services& s);
handled list_runs(request& req, services& s);
handled list_dead(request& req, services& s);
handled list_projects(request& req, services& s);
handled get_project(request& req, services& s);
handled download_artifact(request& req, services& s);
handled explain_run(request& req, services& s);
handled show_run_history(request& req, services& s);
handled who_am_i(request& req, services& s);
handled list_orgs(request& req, services& s);
handled overview(request& req, services& s);
handled show_history(request& req, services& s);
handled list_workers(request& req, services& s);
handled order_worker(request& req, services& s);
handled show_queue(request& req, services& s);
handled pause_queue(request& req, services& s);
handled resume_queue(request& req, services& s);
handled show_scale(request& req, services& s);
handled list_failures(request& req, services& s);
handled list_acts(request& req, services& s);
handled start_bulk(request& req, services& s);
handled get_bulk(request& req, services& s);
handled stop_bulk(request& req, services& s);
handled list_bulks(request& req, services& s);
handled watch_all(request& req, services& s);
handled live(request& req, services& s);
handled describe(request& req, services& s);
handled ready(request& req, services& s);
handled show_dashboard(request& req, services& s);
handled dashboard_asset(request& req, services& s);
handled show_metrics(request& req, services& s);

// What readyz says: nothing if the process can do its work now.
boost::asio::awaitable<std::string> why_not_ready(services& s);

// --- shared by them ---

// error_response for this request; a full queue says when it is worth coming back.
response refusal(const failure& f, const request& req, services& s);
// `limit` of a list: 1 to 100.
result<std::size_t> page_limit(const request& req, std::size_t otherwise);

// The caller's run; run_not_found for one that is unknown or another organisation's, after the same Redis calls.
boost::asio::awaitable<result<run_record>> load_run(const caller& who, std::string id, services& s);
boost::asio::awaitable<record> load_project(unsigned partition, std::string_view id, services& s);
// The same for retries: as it was at some time; what is remembered of it is looked for first, unless `anew`.
boost::asio::awaitable<result<std::shared_ptr<const source_run>>> load_source(const caller& who, std::string id,
                                                                              services& s, bool anew = false);

// Holds the request until the run has moved on from `seq`, the peer has left, or so long.
boost::asio::awaitable<void> wait_for_change(request& req, services& s, std::int64_t seq, std::int64_t seconds);

// What an Idempotency-Key makes of a request: both empty without the header.
struct idempotency {
    std::string hash, fingerprint;
};
result<idempotency> idempotency_of(const request& req);
// The run that this key and request made before; nothing if it is new; idempotency_key_reused for another request.
boost::asio::awaitable<result<std::string>> find_replay(const request& req, const idempotency& i, services& s);

// 202 for a run that was accepted now (from these inputs), and for one that an earlier, equal request made. `source` of a
// retry, else null.
handled accepted_response(const new_run& n, const accepted_run& a, const source_run* source,
                          const std::vector<retained_input>& inputs, services& s);
handled replayed_response(const request& req, std::string run, const source_run* source, bool by_key, services& s);

} // namespace reprise::api
