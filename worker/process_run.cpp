#include "worker/process_run.hpp"

#include "common/async/on_pool.hpp"
#include "common/json/writer.hpp"
#include "common/run/id.hpp"
#include "common/run/verdict.hpp"
#include "worker/backoff.hpp"
#include "worker/command/command.hpp"
#include "worker/run_log.hpp"
#include "worker/steps/step.hpp"
#include "worker/steps/step_facts.hpp"

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <system_error>

namespace reprise::worker {
namespace asio = boost::asio;

namespace {

constexpr std::int64_t drain_patience_ms = 3000;
constexpr auto pause_between_tries = std::chrono::milliseconds(200);

class run_process {
  public:
    run_process(claimed_run claimed, std::shared_ptr<held_run> held, work_deps& deps)
        : run_(std::move(claimed.run)),
          held_(std::move(held)),
          deps_(deps),
          plan_(deps.plans.of_mode(run_.fields.text("mode"))),
          deadline_(boottime_ms() + claimed.time_left.count()) {}

    asio::awaitable<void> work() {
        space_ = std::make_shared<workspace>(deps_.work_dir, held_->ticket, run_, deps_.blobs, deps_.pool);
        for (std::size_t i = 0; i < plan_.steps.size(); ++i) {
            const auto& rule = plan_.steps[i];
            if (already_done(i, rule))
                continue;
            if (held_->hand_back) {
                co_await hand_back("drain");
                co_return;
            }
            if (boottime_ms() >= deadline_) {
                co_await fail(errc::run_deadline, rule.name, "the run took longer than it may");
                co_return;
            }
            // What takes no time has no beginning to tell of; its end is told with what comes next.
            if (!rule.takes_no_time() && co_await begin(i, rule) == write_outcome::stale)
                co_return;
            step_context context{
                rule, *space_, *held_, deps_.plans.tools(), deadline_, deps_.step_path, run_.fields.text("trace")};
            in_hand_ = i;
            held_->step = rule.name;
            step_began_ = clock::now();
            auto outcome = co_await perform(context);
            const bool go_on = co_await settle(i, rule, outcome);
            in_hand_ = plan_.steps.size();
            if (!go_on)
                co_return;
        }
        co_await finish_well();
    }

    // What could not be done here and now is handed back, and not held against the step in hand.
    asio::awaitable<void> put_off(std::string why) {
        if (in_hand_ < plan_.steps.size()) {
            step_outcome nothing;
            co_await record_end(in_hand_, plan_.steps[in_hand_], step_end::interrupted, nothing);
        }
        co_await hand_back_after(backoff(2), std::move(why));
    }

    void count() const { deps_.counted.run_ended(outcome_, clock::now() - began_); }

    // Off the thread that keeps the leases: a command may have left a hundred thousand files.
    asio::awaitable<void> clear_up() {
        if (!space_ || !space_->is_on_disk())
            co_return;
        auto work = [space = std::exchange(space_, nullptr)]() mutable { space.reset(); };
        co_await on_pool(deps_.pool, std::move(work));
    }

    asio::awaitable<void> hand_back_after(std::chrono::milliseconds delay, std::string cause) {
        const auto& t = held_->ticket;
        auto call = [&] { return deps_.queue.release(t, delay, cause, pending_); };
        if (co_await tell(call) == write_outcome::done)
            outcome_ = run_outcome::released;
    }

    asio::awaitable<void> fail(errc code, std::string step, std::string message) {
        const auto& t = held_->ticket;
        auto call = [&] {
            return deps_.queue.finish(t, run_status::failed, "failed", "", std::string(code_of(code)), step, message,
                                      pending_);
        };
        if (co_await tell(call) == write_outcome::stale)
            co_return;
        outcome_ = run_outcome::failed;
        said().info("run_ended", {{"status", "failed"}, {"code", std::string(code_of(code))}, {"step", step}});
    }

    run_log said() const { return {run_, held_->ticket.epoch}; }

  private:
    using clock = std::chrono::steady_clock;

    // --- what earlier attempts did ---

    bool already_done(std::size_t i, const step_rule& rule) {
        const auto before = run_.step(i);
        const auto told = told_of(rule, before);
        attempt_ = told ? told->next_attempt : 1;
        // The gate is cheap and its judgement is not kept with the step: it judges again.
        if (!told || !told->done || rule.builtin == "quality_gate")
            return false;
        space_->add_artifacts(before->artifacts);
        findings_.optional_step_failed |= told->status == "failed";
        return true;
    }

    // --- recording ---

    // Repeats a write until Redis has answered, beyond the lease, too: whether the run is still ours is for Redis to say, and
    // a beat that was long under way may have kept it so. A worker that is told to hand back does not wait so long: who told
    // it waits as well.
    template <class Call>
    asio::awaitable<write_outcome> insist(Call& call) {
        const auto patience = boottime_ms() + drain_patience_ms;
        while (!held_->lost) {
            try {
                const auto outcome = co_await call();
                if (outcome == write_outcome::stale) {
                    deps_.counted.fenced();
                    held_->lost = true;
                }
                co_return outcome;
            } catch (const redis::unavailable& e) {
                said().warn("write_waits", {{"why", e.what()}});
            }
            if (held_->hand_back && boottime_ms() >= patience)
                held_->lost = true;
            asio::steady_timer pause(co_await asio::this_coro::executor, pause_between_tries);
            co_await pause.async_wait(asio::use_awaitable);
        }
        co_return write_outcome::stale;
    }

    // The same for a call that carries what is pending.
    template <class Call>
    asio::awaitable<write_outcome> tell(Call& call) {
        const auto outcome = co_await insist(call);
        pending_.clear();
        co_return outcome;
    }

    // The end of the step before goes into the same call.
    asio::awaitable<write_outcome> begin(std::size_t i, const step_rule& rule) {
        step_change change;
        change.index = i;
        change.status = "running";
        change.facts = step_facts(rule, attempt_);
        pending_.push_back(std::move(change));
        said().debug("step_begins", {{"step", rule.name}, {"attempt", std::to_string(attempt_)}});
        const auto& t = held_->ticket;
        const std::string plan = plan_told_ ? std::string() : plan_.plan;
        auto call = [&] { return deps_.queue.step(t, plan, rule.name, pending_); };
        plan_told_ = true;
        co_return co_await tell(call);
    }

    asio::awaitable<void> record_end(std::size_t i, const step_rule& rule, step_end end, step_outcome& o) {
        deps_.counted.step_ended(rule.name, end, clock::now() - step_began_);
        if (!o.log.empty()) {
            auto write = [&] { return log_file(space_->root(), rule.name, o.log); };
            o.artifacts.push_back(co_await on_pool(deps_.pool, std::move(write)));
        }
        step_change change;
        change.index = i;
        change.ended = true;
        change.status = name_of(end);
        change.facts = step_facts(rule, attempt_, &o);
        if (!o.artifacts.empty())
            co_await store(o.artifacts, change);
        pending_.push_back(std::move(change));
    }

    asio::awaitable<write_outcome> kept(unsigned partition, std::vector<std::string> blobs) {
        co_await deps_.queue.keep(partition, space_->org(), std::move(blobs));
        co_return write_outcome::done;
    }

    // Pinned, then put, then (with the change) committed: an artifact that anyone can see is there.
    asio::awaitable<void> store(const std::vector<produced_file>& files, step_change& change) {
        for (const auto& f : files)
            change.blobs.push_back(f.sha256);
        const auto partition = partition_of(id_kind::run, run_.id).value();
        auto keep = [&]() -> asio::awaitable<write_outcome> { return kept(partition, change.blobs); };
        if (co_await insist(keep) == write_outcome::stale)
            co_return;
        json::writer w;
        w.begin_array();
        for (const auto& f : files) {
            const blob_id id(space_->org(), f.sha256);
            co_await deps_.blobs.put_file(id, f.file);
            deps_.counted.stored(f.bytes);
            w.begin_object().member("key", f.key).member("bytes", static_cast<std::int64_t>(f.bytes));
            w.member("sha256", f.sha256).member("contentType", f.content_type).end_object();
        }
        change.artifacts = w.end_array().take();
        space_->add_artifacts(change.artifacts);
    }

    // --- after a step ---

    // Answers whether the next step may begin.
    asio::awaitable<bool> settle(std::size_t i, const step_rule& rule, step_outcome& o) {
        using kind = step_outcome::kind;
        if (held_->lost)
            co_return false;
        // Stopped by its warden although nobody asked us: the lease ended while we could not tell Redis.
        if (o.what == kind::stopped || held_->hand_back) {
            if (o.what != kind::completed) {
                step_outcome nothing;
                co_await record_end(i, rule, step_end::interrupted, nothing);
                const std::string cause = held_->hand_back ? "drain" : "lease ended";
                co_await hand_back(cause);
                co_return false;
            }
        }
        switch (o.what) {
        case kind::completed:
            co_await record_end(i, rule, step_end::completed, o);
            if (rule.builtin == "quality_gate") {
                quality_ = o.quality;
                judged(quality_, findings_);
            }
            co_return true;
        case kind::temporary:
            if (attempt_ < rule.attempts) {
                co_await record_end(i, rule, step_end::retrying, o);
                const auto delay = backoff(attempt_);
                said().info("step_again", {{"step", rule.name}, {"in_ms", std::to_string(delay.count())}});
                co_await hand_back_after(delay, "step " + rule.name + " is tried again");
                co_return false;
            }
            break;
        case kind::blocked:
            co_await record_end(i, rule, step_end::blocked, o);
            co_await block(rule.tool);
            co_return false;
        case kind::failed:
        case kind::stopped:
            break;
        }
        co_await record_end(i, rule, step_end::failed, o);
        if (!rule.required) {
            findings_.optional_step_failed = true;
            co_return true;
        }
        co_await fail(o.error->code, rule.name, o.error->message);
        co_return false;
    }

    asio::awaitable<void> hand_back(std::string cause) {
        said().info("run_handed_back", {{"cause", cause}});
        co_await hand_back_after(std::chrono::milliseconds(0), std::move(cause));
    }

    asio::awaitable<void> block(const std::string& tool) {
        const auto& t = held_->ticket;
        auto call = [&] { return deps_.queue.block(t, tool, pending_); };
        if (co_await tell(call) == write_outcome::stale)
            co_return;
        outcome_ = run_outcome::blocked;
        said().warn("run_blocked", {{"tool", tool}});
    }

    asio::awaitable<void> finish_well() {
        const auto end = ending_of(findings_);
        const std::string verdict(end.verdict);
        const auto& t = held_->ticket;
        auto call = [&] { return deps_.queue.finish(t, end.status, verdict, quality_, "", "", "", pending_); };
        if (co_await tell(call) == write_outcome::stale)
            co_return;
        outcome_ = end.status == run_status::ready ? run_outcome::ready : run_outcome::complete;
        said().info("run_ended", {{"status", std::string(name_of(end.status))}, {"verdict", verdict}});
    }

    run_record run_;
    std::shared_ptr<held_run> held_;
    work_deps& deps_;
    const pipeline& plan_;
    const std::int64_t deadline_; // CLOCK_BOOTTIME ms
    std::shared_ptr<workspace> space_;
    std::vector<step_change> pending_; // ends of steps that Redis has not heard of yet
    findings findings_;
    std::string quality_;
    std::size_t in_hand_ = ~std::size_t{0};   // index of the step that is being performed
    int attempt_ = 1;                         // of that step
    run_outcome outcome_ = run_outcome::lost; // unless Redis has taken another
    const clock::time_point began_ = clock::now();
    clock::time_point step_began_;
    bool plan_told_ = false;
};

} // namespace

asio::awaitable<void> process_run(claimed_run claimed, std::shared_ptr<held_run> held, work_deps& deps) {
    run_process process(std::move(claimed), held, deps);
    // Handlers cannot co_await: each leaves word of what is to be done.
    std::string outage_message, bug;
    try {
        co_await process.work();
    } catch (const outage& e) {
        outage_message = e.what();
    } catch (const std::system_error& e) { // this host's files
        outage_message = e.what();
    } catch (const boost::system::system_error& e) { // this host's processes and pipes
        outage_message = e.what();
    } catch (const std::exception& e) {
        bug = e.what();
    }
    if (!outage_message.empty()) {
        process.said().warn("run_delayed", {{"why", outage_message}});
        co_await process.put_off(outage_message);
    } else if (!bug.empty()) {
        process.said().error("run_defect", {{"why", bug}});
        co_await process.fail(errc::internal_error, "", bug);
    }
    process.count();
    co_await process.clear_up();
}

} // namespace reprise::worker
