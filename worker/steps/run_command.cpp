// A step's command: its surroundings, its end, and what it left.
#include "worker/steps/step.hpp"

#include "common/async/on_pool.hpp"
#include "worker/command/command.hpp"

#include <boost/asio/this_coro.hpp>

#include <algorithm>

namespace reprise::worker {
namespace asio = boost::asio;
namespace fs = std::filesystem;

namespace {

constexpr int temp_fail = 75; // EX_TEMPFAIL

command_order order_for(const step_context& c, const fs::path& directory, const fs::path& document) {
    command_order o;
    for (auto word : c.rule.argv) {
        if (const auto at = word.find("{document}"); at != std::string::npos)
            word.replace(at, 10, document.string());
        o.argv.push_back(std::move(word));
    }
    const auto home = c.space.make_directory(c.rule.name + "-home");
    // Nothing of the worker's own environment: it holds secrets, and settings that generators must not react to.
    o.environment = {"PATH=" + c.path, "HOME=" + home.string(), "TMPDIR=" + home.string(), "LANG=C.UTF-8",
                     "NO_COLOR=1",     "REDOCLY_TELEMETRY=off"};
    if (!c.trace.empty())
        o.environment.push_back("TRACEPARENT=" + std::string(c.trace)); // the caller's trace goes on in the command
    o.directory = directory;
    o.stdout_file = c.rule.stdout_file;
    const std::chrono::milliseconds left(std::max<std::int64_t>(1, c.run_deadline - boottime_ms()));
    o.timeout = std::min<std::chrono::milliseconds>(c.rule.timeout, left);
    o.memory_mib = c.rule.memory_mib;
    o.lease_end = c.held.lease_end;
    return o;
}

step_outcome ended(step_outcome::kind what, errc code, std::string message) {
    step_outcome o;
    o.what = what;
    o.error = failure{code, std::move(message)};
    return o;
}

// What the command's end means, artifacts aside.
step_outcome judge(const step_rule& rule, const command_result& r) {
    using kind = step_outcome::kind;
    using end = command_result::end;
    switch (r.how) {
    case end::exited:
        if (std::ranges::find(rule.ok_exit_codes, r.number) != rule.ok_exit_codes.end())
            return {};
        if (r.number == temp_fail)
            return ended(kind::temporary, errc::step_temporary, "the command asked to be tried again (exit 75)");
        return ended(kind::failed, errc::step_failed, "the command exited with " + std::to_string(r.number));
    case end::signaled:
        return ended(kind::temporary, errc::step_killed,
                     "the command was ended by signal " + std::to_string(r.number));
    case end::timed_out:
        return ended(kind::temporary, errc::step_timeout,
                     "the command ran longer than " + std::to_string(rule.timeout.count()) + " s");
    case end::out_of_memory:
        return ended(kind::failed, errc::step_killed,
                     "the command used more than " + std::to_string(rule.memory_mib) + " MiB of memory");
    case end::output_limit:
        return ended(kind::failed, errc::step_output_limit, "the command said more than 64 MiB");
    case end::stopped:
        return ended(kind::stopped, errc::step_killed, "stopped");
    case end::not_started:
        break;
    }
    return ended(kind::temporary, errc::step_failed, "the command could not be started");
}

// The last line that says something: mostly the reason.
std::string last_line(const std::string& output) {
    std::size_t end = output.find_last_not_of(" \t\r\n");
    if (end == std::string::npos)
        return {};
    const auto begin = output.rfind('\n', end);
    return output
        .substr(begin == std::string::npos ? 0 : begin + 1, end - (begin == std::string::npos ? 0 : begin + 1) + 1)
        .substr(0, 500);
}

} // namespace

step_result run_command(step_context& c) {
    const auto directory = c.space.make_directory(c.rule.name);
    fs::path document = c.space.root() / "openapi.json";
    if (c.rule.builtin != "validate_spec" && c.space.has_artifact(document_key)) {
        const auto fetched = co_await c.space.artifact_file(document_key);
        if (!fetched)
            co_return failed(fetched.error().code, fetched.error().message);
        document = *fetched;
    }

    command_result end;
    if (!c.held.stopping()) {
        command one(co_await asio::this_coro::executor);
        c.held.running = &one;
        const auto order = order_for(c, directory, document);
        try {
            end = co_await one.run(order);
        } catch (...) {
            c.held.running = nullptr;
            throw;
        }
        c.held.running = nullptr;
    }
    auto o = judge(c.rule, end);
    if (end.how == command_result::end::timed_out && boottime_ms() >= c.run_deadline)
        o = ended(step_outcome::kind::failed, errc::run_deadline, "the run took longer than it may");
    if (c.held.stopping())
        o.what = step_outcome::kind::stopped;
    o.log = std::move(end.output);
    if (end.how == command_result::end::exited)
        o.exit_code = end.number;
    if (end.how == command_result::end::signaled)
        o.signal = end.number;
    // Every command leaves a log, if only to say that it had nothing to say.
    if (o.what != step_outcome::kind::stopped) {
        auto last_word = "[exited with " + std::to_string(end.number) + "]";
        if (o.error) {
            last_word = "[" + o.error->message + "]";
            if (const auto reason = last_line(o.log); !reason.empty())
                o.error->message += ": " + reason;
        }
        if (!o.log.empty() && o.log.back() != '\n')
            o.log += '\n';
        o.log += last_word + "\n";
    }
    if (o.what == step_outcome::kind::completed && !o.error) {
        auto work = [&rules = c.rule.artifacts, &directory, &scratch = c.space.root()] {
            return collect(rules, directory, scratch);
        };
        auto files = co_await on_pool(c.space.pool(), std::move(work));
        if (files) {
            o.artifacts = std::move(*files);
        } else {
            o.what = step_outcome::kind::failed;
            o.error = files.error();
            o.log += "\n" + files.error().message + "\n";
        }
    }
    co_return o;
}

} // namespace reprise::worker
