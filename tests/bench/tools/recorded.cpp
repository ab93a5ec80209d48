#include "tests/bench/tools/recorded.hpp"

#include "common/crypto/base32.hpp"
#include "common/crypto/digest.hpp"
#include "common/run/id.hpp"
#include "common/time.hpp"

#include <charconv>
#include <fstream>
#include <iterator>
#include <stdexcept>

namespace reprise::bench {
namespace {

// splitmix64: a bijection, so no two numbers of a series have one id.
std::uint64_t scattered(std::uint64_t n) {
    n += 0x9e3779b97f4a7c15;
    n = (n ^ (n >> 30)) * 0xbf58476d1ce4e5b9;
    n = (n ^ (n >> 27)) * 0x94d049bb133111eb;
    return n ^ (n >> 31);
}

void append_base32(std::string& out, std::uint64_t bits, int digits) {
    for (int i = 0; i < digits; ++i, bits >>= 5)
        out += base32_alphabet[bits & 31];
}

// The number after the mark at `at`, which is moved behind the end of its line.
std::size_t counted(std::string_view bytes, std::size_t& at, char mark) {
    const auto end = bytes.find("\r\n", at);
    std::size_t n = 0;
    if (end == std::string_view::npos || bytes[at] != mark ||
        std::from_chars(bytes.data() + at + 1, bytes.data() + end, n).ptr != bytes.data() + end)
        throw std::invalid_argument("not a command as it goes over the wire");
    at = end + 2;
    return n;
}

std::size_t commands_in(std::string_view bytes) {
    std::size_t commands = 0;
    for (std::size_t at = 0; at < bytes.size(); ++commands) {
        for (auto words = counted(bytes, at, '*'); words-- > 0;)
            at += counted(bytes, at, '$') + 2;
    }
    return commands;
}

} // namespace

run_ids::run_ids(std::string_view like, std::uint64_t origin)
    : origin_(origin), began_ms_(static_cast<std::uint64_t>(wall_clock())) {
    const auto partition = partition_of(id_kind::run, like);
    if (!partition)
        throw std::invalid_argument("not the id of a run: " + std::string(like));
    partition_ = *partition;
}

std::uint64_t run_ids::fresh_origin() {
    std::uint64_t n = 0;
    fill_random(&n, sizeof n);
    return n;
}

std::string run_ids::operator[](std::uint64_t n) const {
    std::string random;
    append_base32(random, scattered(origin_ + n), 12);
    append_base32(random, scattered(~origin_ - n), 4);
    return make_id(id_kind::run, partition_, began_ms_ + n / 16, random); // 16 a millisecond, as under load
}

recorded::recorded(std::string bytes, std::string_view id)
    : bytes_(std::move(bytes)), commands_(commands_in(bytes_)) {
    for (std::size_t at = 0; !id.empty() && (at = bytes_.find(id, at)) != std::string::npos; at += id.size())
        places_.push_back(at);
    if (!id.empty() && places_.empty())
        throw std::invalid_argument("the commands do not name " + std::string(id));
}

recorded recorded::from_file(const std::string& path, std::string_view id) {
    std::ifstream in(path, std::ios::binary);
    std::string bytes(std::istreambuf_iterator<char>(in), {});
    if (!in.good() || bytes.empty())
        throw std::invalid_argument("cannot read " + path);
    return {std::move(bytes), id};
}

void recorded::append_to(std::string& out, std::string_view id) const {
    const auto from = out.size();
    out += bytes_;
    for (const auto place : places_)
        out.replace(from + place, id.size(), id);
}

} // namespace reprise::bench
