#include "api/http/session_group.hpp"

namespace reprise::api {

session_group::membership::membership(session_group& g, socket& s) : group_(g), socket_(s), next_(g.first_) {
    if (next_)
        next_->previous_ = this;
    g.first_ = this;
    ++g.size_;
}

session_group::membership::~membership() {
    (previous_ ? previous_->next_ : group_.first_) = next_;
    if (next_)
        next_->previous_ = previous_;
    --group_.size_;
}

bool session_group::membership::wait_for_request() {
    idle_ = true;
    return new_ || !group_.stopping_;
}

void session_group::stop() {
    stopping_ = true;
    boost::system::error_code ignored;
    for (auto* m = first_; m; m = m->next_)
        if (m->idle_ && !m->new_ && m->socket_.available(ignored) == 0)
            m->socket_.cancel(ignored);
}

void session_group::end_idle() {
    boost::system::error_code ignored;
    for (auto* m = first_; m; m = m->next_)
        if (m->idle_)
            m->socket_.cancel(ignored);
}

} // namespace reprise::api
