#pragma once
#include <boost/asio/ip/tcp.hpp>

#include <cstddef>

namespace reprise::api {

// The sessions of one thread. When `stopping`, each ends after the request it has in hand, and those that are idle are
// closed: at once if they have been answered before and nothing has arrived, the others by end_idle(), when their
// first request has had the time to arrive.
class session_group {
  public:
    using socket = boost::asio::ip::tcp::socket;
    class membership {
      public:
        membership(session_group& g, socket& s);
        ~membership();
        membership(const membership&) = delete;
        membership& operator=(const membership&) = delete;
        // Between two requests: stop() may close the connection. Answers false if stop() was called already.
        bool wait_for_request();
        void got_request() {
            idle_ = false;
            new_ = false;
        }
        bool stopping() const { return group_.stopping_; }

      private:
        friend class session_group;
        session_group& group_;
        socket& socket_;
        membership *previous_ = nullptr, *next_ = nullptr;
        bool idle_ = false, new_ = true;
    };

    void stop();
    void end_idle();
    bool stopping() const { return stopping_; }
    std::size_t size() const { return size_; }

  private:
    membership* first_ = nullptr;
    std::size_t size_ = 0;
    bool stopping_ = false;
};

} // namespace reprise::api
