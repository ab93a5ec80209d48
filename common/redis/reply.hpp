// A reply of Redis, owned, with views that check types and bounds: a reply of another shape is an exception (a
// bug or a foreign server), never undefined behaviour. Views live as long as the reply.
#pragma once
#include <hiredis/hiredis.h>

#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>

namespace reprise::redis {

class unexpected_reply : public std::runtime_error {
    using runtime_error::runtime_error;
};

class reply_view {
  public:
    explicit reply_view(const redisReply* r) : r_(r) {}

    bool is_nil() const { return type() == REDIS_REPLY_NIL; }
    bool is_error() const { return type() == REDIS_REPLY_ERROR; }
    bool is_array() const { return type() == REDIS_REPLY_ARRAY; }

    std::string_view text() const; // of a string, a status or an error; nil is empty
    std::int64_t number() const;   // of an integer, or of a string that is one
    std::size_t size() const;      // of an array; nil is 0
    reply_view operator[](std::size_t i) const;

  private:
    int type() const { return r_ ? r_->type : REDIS_REPLY_NIL; }
    const redisReply* r_;
};

class reply {
  public:
    reply() = default;
    explicit reply(redisReply* owned) : r_(owned) {}
    reply_view view() const { return reply_view(r_.get()); }

    bool is_nil() const { return view().is_nil(); }
    bool is_error() const { return view().is_error(); }
    std::string_view text() const { return view().text(); }
    std::int64_t number() const { return view().number(); }
    std::size_t size() const { return view().size(); }
    reply_view operator[](std::size_t i) const { return view()[i]; }

  private:
    struct release {
        void operator()(redisReply* r) const { freeReplyObject(r); }
    };
    std::unique_ptr<redisReply, release> r_;
};

} // namespace reprise::redis
