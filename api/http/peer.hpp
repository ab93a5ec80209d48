#pragma once
#include <boost/asio/ip/tcp.hpp>

#include <functional>
#include <memory>

namespace reprise::api {

// The other side of a connection while its request is being answered. Lives in the session; used on its thread.
class peer {
  public:
    explicit peer(boost::asio::ip::tcp::socket& s) : socket_(s), state_(std::make_shared<state>()) {}
    peer(const peer&) = delete;
    peer& operator=(const peer&) = delete;

    // While it lives, `left` is called once when the other side closes. One who has already sent more is not noticed: what
    // it sent hides its going.
    class attention {
      public:
        attention(peer& p, std::function<void()> left) : peer_(p) { peer_.watch(std::move(left)); }
        ~attention() { peer_.state_->left = nullptr; }
        attention(const attention&) = delete;
        attention& operator=(const attention&) = delete;

      private:
        peer& peer_;
    };
    bool has_left() const { return state_->has_left; }

  private:
    void watch(std::function<void()> left);
    struct state {
        std::function<void()> left;
        bool has_left = false;
    };
    boost::asio::ip::tcp::socket& socket_;
    std::shared_ptr<state> state_;
};

} // namespace reprise::api
