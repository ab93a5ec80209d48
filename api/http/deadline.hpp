// A time by which what a socket waits for must have happened; then it is cancelled, and the connection can still be written
// to. (Beast's own timer closes the socket, and nothing could be said any more.) Setting it anew costs no timer: one
// wait is always under way, and looks again when it was moved. A cancellation reaches only what waits at that moment, and not
// an operation whose part has just been done and that goes on with the next: so it is repeated until the deadline is set anew.
#pragma once
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>

#include <chrono>
#include <memory>

namespace reprise::api {

class deadline {
  public:
    explicit deadline(boost::asio::ip::tcp::socket& s) : state_(std::make_shared<state>(s)) {}
    ~deadline() {
        state_->socket = nullptr;
        state_->timer.cancel();
    }
    deadline(const deadline&) = delete;
    deadline& operator=(const deadline&) = delete;

    void set(std::chrono::milliseconds from_now) {
        state_->due = clock::now() + from_now;
        state_->passed = false;
        // A wait under way for an earlier time looks again then; one for a later time would come too late.
        if (!state_->waiting || state_->due < state_->timer.expiry())
            wait(state_);
    }
    bool passed() const { return state_->passed; }

  private:
    using clock = std::chrono::steady_clock;
    static constexpr std::chrono::milliseconds cancel_again{100};
    struct state {
        explicit state(boost::asio::ip::tcp::socket& s) : socket(&s), timer(s.get_executor()) {}
        boost::asio::ip::tcp::socket* socket; // null when the session is gone
        boost::asio::steady_timer timer;
        clock::time_point due;
        bool passed = false, waiting = false;
    };

    static void wait(const std::shared_ptr<state>& s) {
        s->waiting = true;
        s->timer.expires_at(s->due);
        s->timer.async_wait([s](boost::system::error_code ec) {
            if (ec || !s->socket)
                return; // set for an earlier time, or gone
            s->waiting = false;
            if (clock::now() < s->due)
                return wait(s);
            s->passed = true;
            boost::system::error_code ignored;
            s->socket->cancel(ignored);
            s->due = clock::now() + cancel_again;
            wait(s);
        });
    }

    std::shared_ptr<state> state_;
};

} // namespace reprise::api
