#include "api/http/peer.hpp"

#include <sys/socket.h>

#include <cerrno>

namespace reprise::api {

void peer::watch(std::function<void()> left) {
    state_->left = std::move(left);
    socket_.async_wait(
        boost::asio::ip::tcp::socket::wait_read,
        [s = std::weak_ptr<state>(state_), fd = socket_.native_handle()](boost::system::error_code ec) {
            const auto alive = s.lock();
            if (!alive || ec)
                return; // the session is over, or is being ended
            // What made the socket readable may be the next request, which has been read by now.
            char one = 0;
            const auto size = ::recv(fd, &one, 1, MSG_PEEK | MSG_DONTWAIT);
            if (size > 0 || (size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)))
                return;
            alive->has_left = true;
            if (alive->left)
                std::exchange(alive->left, nullptr)();
        });
}

} // namespace reprise::api
