// How many connections each address has, so that no single one can have them all. Shared by all threads.
#pragma once
#include <boost/asio/ip/address.hpp>

#include <mutex>
#include <unordered_map>

namespace reprise::api {

class address_book {
  public:
    explicit address_book(unsigned most_of_one) : most_(most_of_one) {}

    // Answers false, and counts nothing, when the address has as many as it may. Else leave() must follow.
    bool enter(const boost::asio::ip::address& a) {
        const std::lock_guard held(lock_);
        auto& n = connections_[a];
        if (n >= most_)
            return false;
        ++n;
        return true;
    }

    void leave(const boost::asio::ip::address& a) {
        const std::lock_guard held(lock_);
        if (const auto found = connections_.find(a); found != connections_.end() && --found->second == 0)
            connections_.erase(found);
    }

  private:
    const unsigned most_;
    std::mutex lock_;
    std::unordered_map<boost::asio::ip::address, unsigned> connections_; // none is 0
};

} // namespace reprise::api
