#include "tests/integration/interleavings/actors.hpp"

namespace reprise::interleavings {
namespace {

constexpr std::size_t most_runs = 8;

} // namespace

void client::act() {
    if (is_waiting())
        return;
    switch (stage_) {
    case stage::idle:
        begin();
        break;
    case stage::pinned:
        put();
        break;
    case stage::stored:
        stage_ = stage::waiting;
        issue(accept(order_));
        break;
    case stage::waiting:
        break;
    }
}

void client::begin() {
    const auto& known = w_.m.runs();
    if (known.size() >= most_runs || (!known.empty() && w_.chance.percent(30))) {
        const auto& run = known[w_.chance.below(known.size())];
        const auto* known_as = w_.m.run(run);
        if ((!known_as || is_terminal(known_as->status)) && !w_.chance.percent(5))
            return;
        stage_ = stage::waiting;
        issue(cancel(run, w_.fresh("c")));
        return;
    }
    if (!choose_order())
        return;
    if (order_.source.empty()) {
        stage_ = stage::waiting;
        issue(pin(order_.blob));
    } else if (w_.m.blobs.files.contains(order_.blob)) {
        stage_ = stage::stored; // by somebody before
    } else {
        w_.note(fmt::format("{} is told 422: {} is gone", name_, order_.blob));
    }
}

// A request of its own, or one made before, sent again with its key; seldom another one with that key.
bool client::choose_order() {
    const auto& known = w_.m.runs();
    if (!w_.orders.empty() && w_.chance.percent(25)) {
        order_ = w_.chance.among(w_.orders);
        order_.run = w_.m.new_run();
        if (w_.chance.percent(20))
            order_.fingerprint = "another";
        return true;
    }
    order_ = {};
    order_.blob = w_.chance.percent(60) ? "b0" : "b1";
    if (!known.empty() && w_.chance.percent(60)) {
        order_.source = known[w_.chance.below(known.size())];
        const auto* source = w_.m.run(order_.source);
        if (!source)
            return false; // 404
        order_.blob = source->kept;
    }
    order_.run = w_.m.new_run();
    if (w_.chance.percent(50)) {
        order_.idem = w_.m.new_key();
        order_.fingerprint = "asked";
        w_.orders.push_back(order_);
    }
    return true;
}

// Whole or not at all: written to a temporary file, and renamed under the lock.
void client::put() {
    if (w_.m.blobs.locks.contains(order_.blob))
        return;
    if (w_.m.blobs.files.try_emplace(order_.blob, w_.m.clock()).second)
        w_.note(fmt::format("{} writes {}", name_, order_.blob));
    stage_ = stage::stored;
}

void client::told(const call& c, const answer&) {
    stage_ = c.what == fn::pin ? stage::pinned : stage::idle;
}

void client::crash() {
    forget_calls();
    stage_ = stage::idle;
}

} // namespace reprise::interleavings
