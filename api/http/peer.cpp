#include "api/http/peer.hpp"

#include <sys/socket.h>

namespace reprise::api {

void peer::watch(std::function<void()> left) {
    state_->left = std::move(left);
    socket_.async_wait(
        boost::asio::ip::tcp::socket::wait_read,
        [s = std::weak_ptr<state>(state_), fd = socket_.native_handle()](boost::system::error_code ec) {
            const auto alive = s.lock();
            if (!alive || ec)
                return; // the session is over, or is being ended
            char one = 0;
            if (::recv(fd, &one, 1, MSG_PEEK | MSG_DONTWAIT) > 0)
                return;
            alive->has_left = true;
            if (alive->left)
                std::exchange(alive->left, nullptr)();
        });
}

} // namespace reprise::api
