#include "tests/integration/interleavings/actors.hpp"

#include <algorithm>

namespace reprise::interleavings {

void worker::act() {
    const auto what = w_.chance.below(100);
    if (what < (held_.empty() ? 60u : 12u)) {
        if (!claiming_ && held_.size() < 3 && (!w_.m.seen().queued.empty() || w_.chance.percent(3))) {
            claiming_ = true;
            issue(claim(name_, w_.fresh("t"), 1 + static_cast<int>(w_.chance.below(2)), false));
        }
    } else if (held_.empty()) {
        if (!is_waiting() && w_.chance.percent(1)) {
            issue(leave(name_));
            name_ = w_.fresh("w");
        }
    } else if (what < 20) {
        if (!beating_)
            beat_all();
    } else if (auto& h = w_.chance.among(held_); !h.busy) {
        work_on(h);
    }
}

void worker::beat_all() {
    std::vector<claim_ticket> all;
    for (const auto& h : held_)
        all.push_back(h.ticket);
    beating_ = true;
    issue(beat(name_, all));
}

// With half of what it takes to hold the run: of a claim before, or of a Redis that was restored.
void worker::write_wrongly(const held_run& h) {
    auto t = h.ticket;
    if (w_.chance.percent(50))
        t.token = "wrong";
    else
        t.epoch += w_.chance.percent(50) ? 1 : -1;
    issue(w_.chance.percent(50) ? finish(t, run_status::ready) : release(t, 0));
}

void worker::work_on(held_run& h) {
    if (w_.chance.percent(3)) {
        write_wrongly(h);
        return;
    }
    if (h.late) {
        h.busy = true;
        issue(finish(h.ticket, run_status::failed));
        return;
    }
    if (h.artifact != held_run::nothing) {
        end_step(h);
        return;
    }
    const auto what = w_.chance.below(100);
    h.busy = true;
    if (what < 60) {
        if (h.step_begun || w_.chance.percent(25)) // else it takes no time, and is told of by its end alone
            end_step(h);
        else
            issue(step(h.ticket, h.step, told::begin, ""));
    } else if (what < 75) {
        static constexpr std::array ends{run_status::ready, run_status::complete, run_status::failed};
        issue(finish(h.ticket, ends[w_.chance.below(ends.size())]));
    } else if (what < 90) {
        issue(release(h.ticket, w_.chance.percent(50) ? 0 : 5 * second));
    } else {
        issue(block(h.ticket, w_.chance.percent(50) ? "a" : "b"));
    }
}

// An artifact is pinned, then put, then committed with the end of its step.
void worker::end_step(held_run& h) {
    h.busy = true;
    if (h.artifact == held_run::nothing && w_.chance.percent(30)) {
        h.artifact = held_run::pinning;
        h.blob = w_.chance.percent(50) ? "b1" : "b2";
        issue(keep(h.blob));
    } else if (h.artifact == held_run::pinned) {
        h.busy = false;
        if (w_.m.blobs.locks.contains(h.blob))
            return;
        if (w_.m.blobs.files.try_emplace(h.blob, w_.m.clock()).second)
            w_.note(fmt::format("{} writes {}", name_, h.blob));
        h.artifact = held_run::stored;
    } else {
        issue(step(h.ticket, h.step, h.step_begun ? told::end : told::end_alone, h.blob));
    }
}

worker::held_run* worker::find(const call& c) {
    for (auto& h : held_)
        if (c.is_fenced() ? h.ticket.run == c.run() && std::to_string(h.ticket.epoch) == c.args[1]
                          : h.artifact == held_run::pinning && h.blob == c.args[2])
            return &h;
    return nullptr;
}

void worker::drop(const std::string& run, const std::string& epoch) {
    std::erase_if(held_, [&](const held_run& h) {
        return h.ticket.run == run && (epoch.empty() || std::to_string(h.ticket.epoch) == epoch);
    });
}

void worker::told(const call& c, const answer& a) {
    if (c.what == fn::claim) {
        claiming_ = false;
        for (const auto& t : a.runs)
            held_.push_back({t, 0, false, false, held_run::nothing, "", false});
    } else if (c.what == fn::beat) {
        beating_ = false;
        for (const auto& run : a.lost)
            if (w_.chance.percent(70)) // else it writes before it looks
                drop(run, "");
    } else if (auto* h = find(c)) {
        h->busy = false;
        if (c.what == fn::keep) {
            h->artifact = held_run::pinned;
        } else if (c.what != fn::step || !a.ok()) {
            drop(c.run(), c.args[1]);
        } else {
            h->step += c.ends_step() ? 1 : 0;
            h->step_begun = !c.ends_step();
            h->artifact = held_run::nothing;
            h->blob.clear();
        }
    }
}

void worker::give_up(const call& c) {
    if (c.what == fn::claim)
        claiming_ = false; // what it took comes back when its lease ends
    else if (c.what == fn::beat)
        beating_ = false;
    else if (c.is_fenced())
        drop(c.run(), c.args[1]);
    else if (const auto* h = c.what == fn::keep ? find(c) : nullptr)
        drop(h->ticket.run, std::to_string(h->ticket.epoch));
}

void worker::run_out_of_time() {
    for (auto& h : held_)
        h.late = true;
}

void worker::crash() {
    forget_calls();
    held_.clear();
    claiming_ = beating_ = false;
    name_ = w_.fresh("w");
}

} // namespace reprise::interleavings
