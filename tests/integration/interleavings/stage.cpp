#include "tests/integration/interleavings/stage.hpp"

#include "common/queue/function_library.hpp"
#include "common/queue/keys.hpp"

#include <algorithm>
#include <array>
#include <exception>
#include <utility>

namespace reprise::interleavings {
namespace {

constexpr std::uint64_t played_together = 32;
constexpr std::size_t sent_together = 8;
constexpr std::size_t most_lines = 60;

// How many runs and tickets one call takes up, so few that some are left of a handful.
constexpr std::array<std::pair<std::string_view, std::string_view>, 2> small_turns{
    {{"MOST_RELEASED = 1000", "MOST_RELEASED = 1"}, {"MOST_LOOKED_AT = '500'", "MOST_LOOKED_AT = '2'"}}};

std::string with_small_turns(std::string library) {
    for (const auto& [many, few] : small_turns) {
        const auto at = library.find(many);
        if (at == std::string::npos)
            throw std::logic_error("the library has no " + std::string(many));
        library.replace(at, many.size(), few);
    }
    return library;
}

std::string story(const play* p, const std::string& why) {
    std::string out = why + "\n";
    if (!p)
        return out;
    const auto& lines = p->trace();
    for (std::size_t i = lines.size() > most_lines ? lines.size() - most_lines : 0; i < lines.size(); ++i)
        out += fmt::format("{:4} {}\n", i + 1, lines[i]);
    return out;
}

void add_pause_milestones(const call& c, const state& before, const state& after, std::vector<std::string>& reached) {
    for (std::size_t i = 0; i < before.runs.size(); ++i) {
        const auto &b = before.run(i), &n = after.run(i);
        const bool was = b.waits_in("held"), is = n.waits_in("held");
        if (is && (!was || b.held_by != n.held_by))
            reached.push_back(fmt::format("set aside by a {}{}", c.name(), was ? ", from another pause" : ""));
        if (was && n.waits_in("stream"))
            reached.push_back(
                fmt::format("released by a {}{}", c.name(), n.ticket == b.ticket ? ", with its ticket" : ""));
        if (was && n.status == run_status::canceled)
            reached.emplace_back("held run canceled");
        if (was && n.status == run_status::expired)
            reached.emplace_back("held run waited too long");
        if (was && is && before.has_unread_ticket(b) && !after.has_unread_ticket(b))
            reached.emplace_back("ticket of a held run met");
    }
    if (c.what == fn::resume && std::ranges::count(after.held, c.args[0], &held_set::what) == 1)
        reached.emplace_back("resume leaves some to sweeps");
}

// What a schedule came to that the answer alone does not tell.
std::vector<std::string> milestones(const call& c, const answer& a, const state& before, const state& after) {
    std::vector<std::string> reached;
    for (std::size_t i = 0; i < before.runs.size(); ++i) {
        const auto &b = before.run(i), &n = after.run(i);
        if (c.what == fn::sweep && n.lost > b.lost)
            reached.emplace_back(n.status == run_status::failed ? "lease lost, the third" : "lease lost");
        if (b.exists && !n.exists)
            reached.emplace_back("record forgotten");
        if (is_terminal(n.status) && !is_terminal(b.status) && !n.made.empty())
            reached.emplace_back("artifact kept");
    }
    if (c.what == fn::claim && c.args[4] == "1" && !a.runs.empty())
        reached.emplace_back("claim finds what the lost answer told");
    if (c.what == fn::claim && after.stat("ghosts") < before.stat("ghosts"))
        reached.emplace_back("ghost met");
    if (c.what == fn::step && a.ok() && after.events.empty())
        reached.emplace_back("step repeated");
    if (c.ends_step_alone() && a.ok() && !after.events.empty())
        reached.emplace_back("step told by its end alone");
    add_pause_milestones(c, before, after, reached);
    return reached;
}

} // namespace

stage::stage(wire& w) : wire_(w) {
    must(wire_.ask(redis::command::of("CONFIG", "SET", "appendonly", "no"))); // nothing here survives anything
    const auto& library = function_library::embedded();
    function_prefix_ = library.prefix;
    must(wire_.ask(redis::command::of("FUNCTION", "LOAD", "REPLACE", with_small_turns(library.text))));
    look::prepare(wire_);
}

std::optional<failed_play> stage::perform(const programme& p, std::uint64_t first_seed, std::uint64_t count) {
    for (std::uint64_t done = 0; done < count; done += played_together)
        if (auto failed = perform_together(p, first_seed + done, std::min(played_together, count - done)))
            return failed;
    return std::nullopt;
}

std::optional<failed_play> stage::perform_together(const programme& p, std::uint64_t first_seed,
                                                   std::uint64_t count) {
    auto lanes = open(p, first_seed, count);
    std::optional<failed_play> failed;
    const auto is_waiting = [](const lane& l) { return l.waiting; };
    do {
        std::size_t turn = 0;
        for (auto& l : lanes) {
            try {
                if (std::exchange(l.waiting, false))
                    receive(l);
                if (!failed)
                    send(l);
            } catch (const std::exception& e) {
                l.over = true;
                if (!failed)
                    failed = failed_play{l.seed, story(l.on.get(), e.what())};
            }
            if (++turn % sent_together == 0) // Redis works on these while others are checked here
                wire_.flush();
        }
    } while (std::any_of(lanes.begin(), lanes.end(), is_waiting));
    return failed;
}

std::vector<stage::lane> stage::open(const programme& p, std::uint64_t first_seed, std::uint64_t count) {
    must(wire_.ask(redis::command::of("FLUSHALL")));
    std::vector<lane> lanes(count);
    for (std::uint64_t i = 0; i < count; ++i) {
        auto& l = lanes[i];
        l.seed = first_seed + i;
        l.prefix = keys::prefix(static_cast<unsigned>(i));
        l.eyes = std::make_unique<look>(wire_, l.prefix);
        must(wire_.ask(redis::command::of("FCALL", function_prefix_ + "init", "1", l.prefix, keys::schema,
                                          keys::again_stream, keys::default_stream)));
        must(wire_.ask(redis::command::of("FCALL", function_prefix_ + "org_set", "1", l.prefix, org, "active",
                                          p.quota(l.seed))));
        l.eyes->send(nullptr);
        l.on = p.make(l.seed, l.eyes->receive(nullptr));
    }
    return lanes;
}

void stage::send(lane& l) {
    if (l.over)
        return;
    auto next = l.on->next();
    if (!next) {
        l.over = true;
        return;
    }
    l.asked = std::move(*next);
    if (l.asked.asked) {
        std::vector<std::string> w{"FCALL", function_prefix_ + std::string(l.asked.asked->function()), "1", l.prefix};
        const auto words = l.asked.asked->words();
        w.insert(w.end(), words.begin(), words.end());
        wire_.send(redis::command(w).bytes());
    } else {
        l.eyes->send_time(l.on->told(), l.asked.pass, l.asked.watched);
    }
    l.eyes->send(&l.on->told());
    l.waiting = true;
}

void stage::receive(lane& l) {
    const auto replied = wire_.receive();
    auto& m = l.on->told();
    auto after = l.eyes->receive(&m.seen());
    for (const auto& e : after.events)
        ++tally_[std::string(e.type)];
    if (replied.is_error())
        throw violation("Redis answered " + std::string(replied.text()));
    if (!l.asked.asked) {
        l.on->heard({});
        m.passed(l.asked.pass, std::move(after));
        return;
    }
    const auto& c = *l.asked.asked;
    const auto told = answer_of(c, replied.view());
    ++tally_[fmt::format("{} {}{}", c.name(), told.head, told.head == "refused" ? " " + told.detail : "")];
    for (auto& milestone : milestones(c, told, m.seen(), after))
        ++tally_[std::move(milestone)];
    l.on->heard(told);
    m.called(c, told, std::move(after));
}

} // namespace reprise::interleavings
