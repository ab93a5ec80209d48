#include "common/redis/reply.hpp"

#include <charconv>

namespace reprise::redis {

std::string_view reply_view::text() const {
    switch (type()) {
    case REDIS_REPLY_STRING:
    case REDIS_REPLY_STATUS:
    case REDIS_REPLY_ERROR:
        return {r_->str, static_cast<std::size_t>(r_->len)};
    case REDIS_REPLY_NIL:
        return {};
    default:
        throw unexpected_reply("Redis answered type " + std::to_string(type()) + " where text was due");
    }
}

std::int64_t reply_view::number() const {
    if (type() == REDIS_REPLY_INTEGER)
        return r_->integer;
    const auto s = text();
    std::int64_t n = 0;
    const auto [end, bad] = std::from_chars(s.data(), s.data() + s.size(), n);
    if (bad != std::errc() || end != s.data() + s.size())
        throw unexpected_reply("Redis answered \"" + std::string(s.substr(0, 100)) + "\" where a number was due");
    return n;
}

std::size_t reply_view::size() const {
    if (is_nil())
        return 0;
    if (!is_array())
        throw unexpected_reply("Redis answered type " + std::to_string(type()) + " where an array was due");
    return static_cast<std::size_t>(r_->elements);
}

reply_view reply_view::operator[](std::size_t i) const {
    if (i >= size())
        throw unexpected_reply("Redis answered an array of " + std::to_string(size()) + " elements; number " +
                               std::to_string(i) + " was due");
    return reply_view(r_->element[i]);
}

} // namespace reprise::redis
