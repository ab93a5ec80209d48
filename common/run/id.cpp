#include "common/run/id.hpp"

namespace reprise {
namespace {

constexpr std::size_t prefix_size = 4, partition_size = 2, time_size = 10, random_size = 16;

std::string_view prefix(id_kind kind) {
    switch (kind) {
    case id_kind::run:
        return "run_";
    case id_kind::project:
        return "prj_";
    case id_kind::bulk:
        return "blk_";
    }
    return {};
}

void append_base32(std::string& out, std::uint64_t value, std::size_t digits) {
    for (std::size_t i = digits; i-- > 0;)
        out += base32_alphabet[(value >> (5 * i)) & 31];
}

} // namespace

std::string make_id(id_kind kind, unsigned partition, std::uint64_t unix_ms, std::string_view random) {
    std::string id(prefix(kind));
    id.reserve(prefix_size + partition_size + time_size + random_size);
    append_base32(id, partition, partition_size);
    append_base32(id, unix_ms, time_size);
    id += random.substr(0, random_size);
    return id;
}

std::optional<unsigned> partition_of(id_kind kind, std::string_view id) {
    if (id.size() != prefix_size + partition_size + time_size + random_size || !id.starts_with(prefix(kind)))
        return std::nullopt;
    id.remove_prefix(prefix_size);
    unsigned partition = 0;
    for (std::size_t i = 0; i < id.size(); ++i) {
        const auto digit = base32_alphabet.find(id[i]);
        if (digit == std::string_view::npos)
            return std::nullopt;
        if (i < partition_size)
            partition = partition * 32 + static_cast<unsigned>(digit);
    }
    return partition;
}

} // namespace reprise
