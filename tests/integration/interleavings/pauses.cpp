// What pauses may bring about: what is paused, which runs wait beside their stream for it, and how they get back.
#include "tests/integration/interleavings/model.hpp"

#include <algorithm>

namespace reprise::interleavings {
namespace {

bool is_as_before(const state& before, const state& after, std::string_view but) {
    const auto others = [&](const state& s) {
        auto all = s.paused;
        std::erase_if(all, [&](const auto& p) { return p.first == but; });
        std::ranges::sort(all);
        return all;
    };
    return others(before) == others(after);
}

bool has_ended(const run_state& before, const run_state& after) {
    return before.exists && !is_terminal(before.status) && (!after.exists || is_terminal(after.status));
}

struct bounds {
    std::int64_t least = 0, most = 0;
    void add(bool certain, bool possible) {
        least += certain ? 1 : 0;
        most += possible ? 1 : 0;
    }
    bool hold(std::int64_t n) const { return least <= n && n <= most; }
};

} // namespace

// Whether the run went aside, or back, or from one pause to another.
bool model::changes_sides(std::size_t i, const state& after) const {
    const auto &b = seen_.run(i), &n = after.run(i);
    const bool was = b.waits_in("held"), is = n.waits_in("held");
    return was != is || (is && b.held_by != n.held_by);
}

void model::check_paused(const call& c, const answer& a, const state& after) const {
    const bool pauses = c.what == fn::pause && a.ok(), resumes = c.what == fn::resume;
    const std::string_view what = pauses || resumes ? std::string_view(c.args[0]) : "";
    require(is_as_before(seen_, after, what), "{} changed what is paused", c.text());
    const auto before = seen_.pause_of(what), now = after.pause_of(what);
    require(!resumes || now.empty(), "{} is still paused: {}", what, now);
    if (pauses) {
        const auto end = fmt::format(" {} {}", c.args[1], c.args[2]);
        require(now.ends_with(end), "{} is paused: {}", what, now);
        const auto since = std::stoll(std::string(now));
        require(before.empty() ? since >= seen_.now && since <= after.now : since == std::stoll(std::string(before)),
                "{} is paused since {}, and was: {}", what, since, before);
    }
    if (c.what != fn::pause && !resumes)
        return;
    std::string all;
    for (const auto& [name, facts] : after.paused)
        all += fmt::format("{}{} {}", all.empty() ? "" : " ", name, facts);
    require(a.ok() ? a.detail == all && !pauses_nothing(c) : pauses_nothing(c) && a.detail == "project_not_found",
            "{} answered {}; paused: {}", c.text(), a.text(), all);
}

bool model::pauses_nothing(const call& c) const {
    return c.what == fn::pause && std::ranges::find(pausable_, c.args[0]) == pausable_.end();
}

// A run goes aside, or back, because of what is paused and for nothing else; and to where it came from.
void model::check_sides(const call& c, std::size_t i, const state& after) const {
    if (!changes_sides(i, after))
        return;
    const auto& id = runs_[i];
    const auto &b = seen_.run(i), &n = after.run(i);
    if (n.waits_in("held")) {
        require(c.what == fn::claim || c.what == fn::sweep, "{} is set aside by {}", id, c.name());
        require(n.held_by == seen_.paused_by(n) && seen_.pause_of("all").empty(),
                "{} is held by {}, as if by that alone", id, n.held_by);
        if (c.what == fn::claim)
            require(b.waits_in("stream") && n.ticket.empty() && !after.has_unread_ticket(b),
                    "{} was not to be met by a claim", id);
        else
            require(after.has_unread_ticket(n), "{} is set aside by a sweep, and its ticket is not unread", id);
    }
    if (b.waits_in("held") && n.exists && n.status == run_status::queued) {
        const bool resumed = c.what == fn::resume && b.held_by == c.args[0];
        require(resumed || (c.what == fn::sweep && seen_.pause_of(b.held_by).empty()), "{} is let go by {}, from {}",
                id, c.text(), b.held_by);
        require(n.stream == b.stream, "{} came from {} and is let go into {}", id, b.stream, n.stream);
        require((n.ticket == b.ticket) == seen_.has_unread_ticket(b), "{} has the ticket {} for {}", id, n.ticket,
                b.ticket);
    }
}

// Each run that goes aside is counted, and so is each that comes back; the others leave by their end. Of one that a sweep ends,
// only the sweep knows where it was then.
void model::check_sides_counted(const call& c, const state& after) const {
    bounds aside, back, left;
    for (std::size_t i = 0; i < runs_.size(); ++i) {
        const auto &b = seen_.run(i), &n = after.run(i);
        const bool was = b.waits_in("held"), paused = was && !seen_.pause_of(b.held_by).empty();
        if (has_ended(b, n)) {
            const bool swept = c.what == fn::sweep;
            aside.add(false, swept && !paused);
            back.add(false, swept && was && !paused);
            left.add(was && (!swept || paused), was || swept);
        } else if (changes_sides(i, after)) {
            aside.add(n.waits_in("held"), n.waits_in("held"));
            back.add(was, was);
        }
    }
    const auto grown = [&](std::string_view counter) { return after.stat(counter) - seen_.stat(counter); };
    const auto set_aside = grown("set_aside"), put_back = grown("put_back");
    require(aside.hold(set_aside), "{} runs are counted as set aside, and it were {} to {}", set_aside, aside.least,
            aside.most);
    require(back.hold(put_back), "{} runs are counted as put back, and it were {} to {}", put_back, back.least,
            back.most);
    const auto ended = set_aside - put_back - grown("held");
    require(left.hold(ended), "{} held runs are counted as ended, and it were {} to {}", ended, left.least,
            left.most);
}

void model::check_all_aside() const {
    if (!seen_.pause_of("all").empty())
        return; // then nothing is told apart
    for (std::size_t i = 0; i < runs_.size(); ++i) {
        const auto& r = seen_.run(i);
        require(!r.waits_in("stream") || seen_.paused_by(r).empty(), "{} is paused by {}, and no sweep sets it aside",
                runs_[i], seen_.paused_by(r));
    }
}

void model::check_none_aside() const {
    for (const auto& [what, facts] : seen_.paused)
        require(false, "{} is still paused: {}", what, facts);
    for (const auto& h : seen_.held)
        require(false, "{} is held by {}, which is not paused", h.runs.front(), h.what);
}

} // namespace reprise::interleavings
