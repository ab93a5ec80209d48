// Replies of Redis: any bytes, in any pieces. The first byte says where they are cut; however that is, the same replies come.
#include "tests/fuzz/fuzz.hpp"

#include "common/queue/records.hpp"
#include "common/redis/resp.hpp"

#include <string>

using namespace reprise;

namespace {

void walk(redis::reply_view r, std::string& seen, int depth = 0) {
    fuzz::require(depth < 20);
    seen += std::to_string(static_cast<int>(r.is_nil()) + 2 * static_cast<int>(r.is_error()));
    if (r.is_array())
        for (std::size_t i = 0; i < r.size(); ++i)
            walk(r[i], seen, depth + 1);
    else
        try {
            seen += r.text();
        } catch (const redis::unexpected_reply&) {
            seen += std::to_string(r.number());
        }
}

// What the replies in `text` say, fed `step` bytes at a time, up to what is no reply.
std::string read(std::string_view text, std::size_t step) {
    redis::reply_reader reader(1 << 16);
    std::string seen;
    try {
        while (!text.empty()) {
            reader.feed(text.substr(0, step));
            text.remove_prefix(std::min(text.size(), step));
            while (const auto r = reader.next()) {
                walk(r->view(), seen);
                if (r->view().is_array())
                    try {
                        const record fields(r->view());
                        fields.number("seq");
                    } catch (const redis::unexpected_reply&) {
                    }
            }
        }
    } catch (const redis::protocol_error&) {
        seen += "!";
    }
    return seen;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 1 || size > 4096)
        return 0;
    const auto text = fuzz::text_of(data + 1, size - 1);
    fuzz::require(read(text, 1 + data[0]) == read(text, text.size()));
    return 0;
}
