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
    // Not redisFormatCommandArgv, which goes through sprintf for each argument. In hiredis 0.14 this one is right below 4 GiB and on
    // little-endian machines, which a unit test would tell (https://github.com/redis/hiredis/pull/1030).
    char* raw = nullptr;
    const auto size = redisFormatSdsCommandArgv(&raw, static_cast<int>(args.size()), data.data(), sizes.data());
    if (size < 0)
        throw std::bad_alloc();
    std::string bytes(raw, static_cast<std::size_t>(size));
    redisFreeSdsCommand(raw);
    return bytes;
}

// hiredis makes room for as many elements as an array says it has, before the first has come. An element has four bytes at
// least. (`Count` is int in hiredis 0.14 and size_t in 1.2.)
constexpr std::size_t most_elements = 2u << 20;

template <class Count>
auto bounded(void* (*create)(const redisReadTask*, Count)) {
    static const auto plain = create; // the same for every reader
    return +[](const redisReadTask* task, Count elements) -> void* {
        return static_cast<std::size_t>(elements) > most_elements ? nullptr : plain(task, elements);
    };
}

redisReplyObjectFunctions* bounded_functions(redisReader& r) {
    static redisReplyObjectFunctions f = [&r] {
        auto copy = *r.fn;
        copy.createArray = bounded(copy.createArray);
        return copy;
    }();
    return &f;
}

} // namespace

command::command(std::span<const std::string_view> args) : bytes_(encode(args)) {}
command::command(std::span<const std::string> args) : bytes_(encode(args)) {}

reply_reader::reply_reader(std::size_t most_bytes) : reader_(redisReaderCreate()), most_(most_bytes) {
    if (!reader_)
        throw std::bad_alloc();
    reader_->fn = bounded_functions(*reader_);
}

void reply_reader::feed(std::string_view bytes) {
    fed_ += bytes.size();
    if (fed_ > most_)
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
    fed_ = reader_->len - reader_->pos;
    return reply(static_cast<redisReply*>(raw));
}

} // namespace reprise::redis
