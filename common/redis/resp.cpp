#include "common/redis/resp.hpp"

namespace reprise::redis {
namespace {

template <class Strings>
std::string encode(const Strings& args) {
    std::vector<const char*> data;
    std::vector<std::size_t> sizes;
    data.reserve(args.size());
    sizes.reserve(args.size());
    for (const auto& a : args) {
        data.push_back(a.data());
        sizes.push_back(a.size());
    }
    char* raw = nullptr;
    const auto size = redisFormatCommandArgv(&raw, static_cast<int>(args.size()), data.data(), sizes.data());
    if (size < 0)
        throw std::bad_alloc();
    std::string bytes(raw, static_cast<std::size_t>(size));
    redisFreeCommand(raw);
    return bytes;
}

} // namespace

command::command(std::span<const std::string_view> args) : bytes_(encode(args)) {}
command::command(std::span<const std::string> args) : bytes_(encode(args)) {}

reply_reader::reply_reader(std::size_t most_bytes) : reader_(redisReaderCreate()), most_(most_bytes) {
    if (!reader_)
        throw std::bad_alloc();
}

void reply_reader::feed(std::string_view bytes) {
    if (reader_->len - reader_->pos + bytes.size() > most_)
        throw protocol_error("a reply of Redis is larger than " + std::to_string(most_) + " bytes");
    if (redisReaderFeed(reader_.get(), bytes.data(), bytes.size()) != REDIS_OK)
        throw protocol_error(reader_->errstr);
}

std::optional<reply> reply_reader::next() {
    void* raw = nullptr;
    if (redisReaderGetReply(reader_.get(), &raw) != REDIS_OK)
        throw protocol_error(reader_->errstr);
    if (!raw)
        return std::nullopt;
    return reply(static_cast<redisReply*>(raw));
}

} // namespace reprise::redis
