// The small listener beside the work: metrics and probes for whoever reaches it, on an address that an operator chose for
// them. Few connections, one request on each, small heads, deadlines. Nothing here knows runs.
#pragma once
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>

#include <memory>
#include <string>

namespace reprise::admin {

// What a process has to say.
class pages {
  public:
    virtual ~pages() = default;
    virtual std::string metrics() = 0;                               // in Prometheus' text format
    virtual boost::asio::awaitable<std::string> why_not_ready() = 0; // empty: it is. Has an end, and throws nothing.
};

// All of it happens on the executor, on one thread at a time.
class listener : public std::enable_shared_from_this<listener> {
  public:
    // Throws boost::system::system_error if the address is not to be had. `what` must live as long as the executor's context.
    static std::shared_ptr<listener> start(boost::asio::any_io_executor ex,
                                           const boost::asio::ip::tcp::endpoint& where, pages& what);
    boost::asio::ip::tcp::endpoint where() const { return acceptor_.local_endpoint(); }
    // Takes no more connections; those that are there end by themselves.
    void close();

  private:
    listener(boost::asio::any_io_executor ex, pages& what);
    static boost::asio::awaitable<void> accept(std::shared_ptr<listener> self);
    static boost::asio::awaitable<void> serve(std::shared_ptr<listener> self, boost::asio::ip::tcp::socket socket);

    pages& pages_;
    boost::asio::ip::tcp::acceptor acceptor_;
    boost::asio::steady_timer pause_; // until there is room, or descriptors
    std::size_t open_ = 0;
};

} // namespace reprise::admin
