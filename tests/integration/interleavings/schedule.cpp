#include "tests/integration/interleavings/schedule.hpp"

#include <algorithm>
#include <span>

namespace reprise::interleavings {
namespace {

constexpr int most_steps_without_a_call = 300;
constexpr std::int64_t longest_delivery = 30 * minute; // then a connection is given up, and with it what it carries

} // namespace

schedule::schedule(std::uint64_t seed, state first)
    : play(std::move(first)),
      world_(model_, seed),
      calls_left_(20 + static_cast<int>(world_.chance.below(35))),
      mood_(mood_of(seed)) {
    const auto add = [&]<class Actor>(std::type_identity<Actor>, const char* name) {
        actors_.push_back(std::make_unique<Actor>(world_, actors_.size(), name));
    };
    for (const auto* name : {"client1", "client2", "client3"})
        add(std::type_identity<client>(), name);
    for (const auto* name : {"wA", "wB", "wC"})
        add(std::type_identity<worker>(), name);
    add(std::type_identity<sweeper>(), "sweeper");
    add(std::type_identity<dropper>(), "dropper");
    add(std::type_identity<pauser>(), "operator");
}

std::optional<request> schedule::next() {
    for (int i = 0; calls_left_ > 0 && i < most_steps_without_a_call; ++i)
        if (auto r = one_step()) {
            --calls_left_;
            return r;
        }
    calls_left_ = 0;
    return heal();
}

void schedule::heard(const answer& a) {
    world_.note(asked_ + " -> " + a.text());
    if (under_way_) {
        under_way_->is_request = false;
        under_way_->told = a;
        world_.network.push_back(std::move(*under_way_));
        under_way_.reset();
    } else if (healing_) {
        to_finish_.insert(to_finish_.end(), a.runs.begin(), a.runs.end());
    }
}

std::optional<request> schedule::one_step() {
    auto& chance = world_.chance;
    const auto what = chance.below(1000);
    auto& who = somebody();
    if (what < 480) {
        if (!world_.network.empty())
            return deliver();
    } else if (what < 510) {
        lose();
    } else if (what < 880) {
        if (!who.is_frozen())
            let_act(who);
    } else if (what < 940) {
        if (!who.is_frozen() && who.is_waiting())
            who.time_out();
    } else if (what < (mood_ == mood::ordinary ? 994u : 980u)) {
        strike();
    } else {
        return let_time_pass();
    }
    return std::nullopt;
}

schedule::mood schedule::mood_of(std::uint64_t seed) {
    switch (seed % 16) {
    case 5:
    case 13:
        return mood::without_workers;
    case 10:
        return mood::dying_workers;
    default:
        return mood::ordinary;
    }
}

void schedule::let_act(actor& who) {
    if (const auto* w = dynamic_cast<worker*>(&who); w && mood_ == mood::dying_workers && w->holds_any())
        who.crash();
    who.act();
}

// Workers have most to do.
actor& schedule::somebody() {
    static constexpr std::array turns{0, 0, 1, 1, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 6, 6, 7, 7, 8};
    static constexpr std::array without_workers{0, 0, 1, 1, 2, 2, 6, 6, 7, 7, 7, 8};
    const std::span<const int> order = mood_ == mood::without_workers ? std::span<const int>(without_workers) : turns;
    return *actors_[static_cast<std::size_t>(order[world_.chance.below(order.size())])];
}

std::optional<request> schedule::deliver() {
    auto& bag = world_.network;
    const auto waits = [&](const message& m) { return !m.is_request && actors_[m.actor]->is_frozen(); };
    auto i = world_.chance.below(bag.size());
    if (world_.chance.percent(70)) { // mostly in order, or nothing gets far
        const auto first =
            std::find_if(bag.begin(), bag.end(), [&](const message& m) { return !m.late && !waits(m); });
        if (first != bag.end())
            i = static_cast<std::size_t>(first - bag.begin());
    }
    if (waits(bag[i]))
        return std::nullopt;
    auto m = std::move(bag[i]);
    bag.erase(bag.begin() + static_cast<std::ptrdiff_t>(i));
    if (m.is_request) {
        under_way_ = std::move(m);
        return ask(under_way_->what);
    }
    world_.note(fmt::format("{} hears of its {}: {}", actors_[m.actor]->name(), m.what.name(), m.told.text()));
    actors_[m.actor]->hear(m.issue, m.told);
    return std::nullopt;
}

void schedule::lose() {
    auto& bag = world_.network;
    if (bag.empty())
        return;
    const auto i = world_.chance.below(bag.size());
    world_.note(fmt::format("lost: {} of {}", bag[i].is_request ? "the request" : "the answer", bag[i].what.text()));
    bag.erase(bag.begin() + static_cast<std::ptrdiff_t>(i));
}

void schedule::strike() {
    auto& who = *world_.chance.among(actors_);
    if (who.is_frozen()) {
        world_.note(who.name() + " thaws");
        who.freeze(false);
    } else if (world_.chance.percent(50)) {
        world_.note(who.name() + " crashes");
        who.crash();
    } else {
        world_.note(who.name() + " freezes");
        who.freeze(true);
    }
}

request schedule::let_time_pass() {
    static constexpr std::array near{4 * second, 16 * second, 16 * second};
    static constexpr std::array far{47 * minute, 2 * hour, 13 * hour, 25 * hour, 31 * day, 31 * day, 92 * day};
    auto& chance = world_.chance;
    request r;
    r.pass = near[chance.below(near.size())];
    if (mood_ == mood::without_workers)
        r.pass = far[3 + chance.below(4)];
    else if (mood_ == mood::ordinary && chance.percent(25))
        r.pass = far[chance.below(far.size())];
    r.watched = r.pass <= minute && chance.percent(70);
    asked_ = fmt::format("{} s pass{}", r.pass / second, r.watched ? ", with sweeps" : "");
    if (r.pass >= longest_delivery)
        for (auto& who : actors_)
            who->run_out_of_time();
    std::erase_if(world_.network,
                  [&](const message& m) { return model_.clock() + r.pass - m.sent_at >= longest_delivery; });
    return r;
}

request schedule::ask(call c) {
    asked_ = c.text();
    request r;
    r.asked = std::move(c);
    return r;
}

// First sweeps must set aside all that is paused, then everything is resumed, and they must let go all that was held.
std::optional<request> schedule::end_pauses() {
    const auto& s = model_.seen();
    const auto tickets = std::max(s.again.unread.size(), s.fresh.unread.size()) + s.queued.size() + s.leases.size();
    // Though each lets go of one run only, looks at two tickets, and begins anew when a run was let go.
    const auto sweeps = 4 + static_cast<int>(s.stat("held")) + static_cast<int>(tickets) / 2;
    if (pauses_ == pauses::stay) {
        sweeps_left_ = s.paused.empty() || s.queued.empty() ? 0 : sweeps;
        pauses_ = pauses::are_swept;
    }
    if (pauses_ == pauses::are_swept) {
        if (sweeps_left_-- > 0)
            return ask(sweep(""));
        model_.check_all_aside();
        pauses_ = pauses::end;
    }
    if (pauses_ == pauses::end) {
        if (!s.paused.empty())
            return ask(resume(std::string(s.paused[0].first), "operator"));
        sweeps_left_ = sweeps;
        pauses_ = pauses::ended;
    }
    if (!s.held.empty() && sweeps_left_-- > 0)
        return ask(sweep(""));
    model_.check_none_aside();
    return std::nullopt;
}

// Nobody acts any more. What is on its way arrives; then a healthy worker does what is left, and its sweeps find it.
std::optional<request> schedule::heal() {
    if (!healing_) {
        std::erase_if(world_.network, [&](const message& m) { return !m.is_request || world_.chance.percent(30); });
        healing_ = true;
    }
    if (!world_.network.empty()) {
        auto& m = world_.chance.among(world_.network);
        std::swap(m, world_.network.back());
        auto c = std::move(world_.network.back().what);
        world_.network.pop_back();
        return ask(std::move(c));
    }
    if (!to_finish_.empty()) {
        const auto t = to_finish_.back();
        to_finish_.pop_back();
        return ask(finish(t, run_status::ready));
    }
    if (auto r = end_pauses())
        return r;
    const auto& s = model_.seen();
    const bool idle =
        s.queued.empty() && s.leases.empty() && s.blocked.empty() && s.fresh.unread.empty() && s.again.unread.empty();
    if (stage_ == 0 && (idle || ++rounds_ > 5)) {
        model_.check_all_ended();
        return std::nullopt;
    }
    switch (stage_++) {
    case 0: {
        request r;
        r.pass = 16 * second;
        asked_ = "16 s pass";
        return r;
    }
    case 1:
        return ask(sweep("a b"));
    default:
        stage_ = 0;
        return ask(claim("healthy", world_.fresh("t"), 10, false));
    }
}

} // namespace reprise::interleavings
