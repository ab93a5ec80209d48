#include "api/handlers/index_page.hpp"

#include "api/auth/acting.hpp"
#include "api/handlers/handlers.hpp"
#include "api/http/field_values.hpp"
#include "common/crypto/digest.hpp"
#include "common/queue/records.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

namespace reprise::api {
namespace asio = boost::asio;

namespace {

constexpr std::size_t piece = 100;
constexpr std::size_t check_size = 8;

// Not a secret: what a cursor leads to is the caller's own in any case.
std::string check_of(const indexed& last, std::string_view list) {
    return sha256_hex(fmt::format("{} {} {}", last.at, last.id, list)).substr(0, check_size);
}

// Members with one time stand in the order of their ids, the last first.
bool is_behind(const indexed& one, const indexed& last) {
    return one.at < last.at || (one.at == last.at && one.id < last.id);
}

} // namespace

std::string cursor_after(const indexed& last, std::string_view list) {
    return fmt::format("{}-{}-{}", last.at, last.id, check_of(last, list));
}

std::optional<indexed> read_cursor(std::string_view cursor, std::string_view list) {
    const auto first = cursor.find('-'), second = cursor.rfind('-');
    if (first == second)
        return std::nullopt;
    const auto at = whole_number(cursor.substr(0, first));
    if (!at || *at > 99'999'999'999'999)
        return std::nullopt;
    indexed last{std::string(cursor.substr(first + 1, second - first - 1)), static_cast<unix_ms>(*at)};
    if (cursor_after(last, list) != cursor)
        return std::nullopt;
    return last;
}

result<std::optional<indexed>> asked_cursor(const request& req, std::string_view list) {
    const auto cursor = query_text(req, "cursor");
    if (cursor.empty())
        return std::optional<indexed>();
    auto last = read_cursor(cursor, list);
    if (!last)
        return failure{errc::invalid_parameter, "the cursor is not one that this list gave out"};
    return last;
}

namespace {

std::string percent_encoded(std::string_view text) {
    std::string out;
    for (const char c : text) {
        const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
                           c == '_' || c == '.' || c == '~';
        out += plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
    return out;
}

} // namespace

void link_next(response& r, const request& req, std::string_view cursor,
               std::initializer_list<std::string_view> parameters) {
    auto link = fmt::format("<{}?cursor={}", req.path, cursor);
    for (const auto name : parameters)
        if (const auto given = query_text(req, name); !given.empty())
            link += fmt::format("&{}={}", name, percent_encoded(given));
    r.with("Link", link + ">; rel=\"next\"");
}

asio::awaitable<result<index_page>> read_page(const request& req, services& s, index_of_org index_of,
                                              std::size_t ordinary_limit) {
    const auto limit = page_limit(req, ordinary_limit);
    if (!limit)
        co_return limit.error();
    const auto list = req.who.acts_for_all() ? req.path : index_of(req.who.partition, req.who.org);
    const auto from = asked_cursor(req, list);
    if (!from)
        co_return from.error();
    const auto orgs = co_await organisations_of(req.who, s);
    if (!orgs)
        co_return orgs.error();
    std::vector<std::string> indexes;
    for (const auto& o : *orgs)
        indexes.push_back(index_of(o.partition, o.name));
    index_page p;
    p.found =
        co_await read_indexes(s.redis, std::move(indexes), *from, *limit + 1); // one more: is there a next page?
    if (p.found.size() > *limit) {
        p.found.pop_back();
        p.next = cursor_after(p.found.back(), list);
    }
    co_return p;
}

response answer_page(json::writer& w, const index_page& page, const request& req) {
    auto r = json_response(200, w.optional("nextCursor", page.next).end_object().take());
    if (!page.next.empty())
        link_next(r, req, page.next, {"limit", "org"});
    return r;
}

// One round trip for all; only an index of which that was not enough is read on.
asio::awaitable<std::vector<indexed>> read_indexes(redis::connection& redis, std::vector<std::string> indexes,
                                                   std::optional<indexed> last, std::size_t most) {
    if (indexes.size() == 1)
        co_return co_await read_index(redis, indexes.front(), last, most);
    const auto from = last ? std::to_string(last->at) : "+inf";
    const auto count = most + 20;
    std::vector<redis::command> reads;
    for (const auto& index : indexes)
        reads.push_back(redis::command::of("ZRANGE", index, from, "-inf", "BYSCORE", "REV", "LIMIT", "0",
                                           std::to_string(count), "WITHSCORES"));
    const auto answers = co_await redis.call_all(std::move(reads));
    std::vector<indexed> out;
    for (std::size_t n = 0; n < answers.size(); ++n) {
        std::vector<indexed> here;
        const auto r = answers[n].view();
        for (std::size_t i = 0; i + 1 < r.size(); i += 2) {
            indexed one{std::string(r[i].text()), number_of(r[i + 1].text())};
            if (!last || is_behind(one, *last))
                here.push_back(std::move(one));
        }
        if (here.size() < most && r.size() == 2 * count)
            here = co_await read_index(redis, indexes[n], last, most);
        std::ranges::move(here, std::back_inserter(out));
    }
    std::ranges::sort(out, [](const indexed& a, const indexed& b) { return is_behind(b, a); });
    if (out.size() > most)
        out.resize(most);
    co_return out;
}

asio::awaitable<std::vector<indexed>> read_index(redis::connection& redis, std::string index,
                                                 std::optional<indexed> last, std::size_t most) {
    std::vector<indexed> out;
    // Of those with the time of the last one, the first may have been seen: they are passed over. Each piece begins at a time
    // and not at a rank, so that nothing is missed or met twice when the index changes in between; only within one
    // millisecond there is no other way.
    for (std::size_t offset = 0; out.size() < most;) {
        const auto count = std::max(piece, most - out.size() + 1);
        const auto from = last ? std::to_string(last->at) : "+inf";
        const auto r =
            co_await redis.call(redis::command::of("ZRANGE", index, from, "-inf", "BYSCORE", "REV", "LIMIT",
                                                   std::to_string(offset), std::to_string(count), "WITHSCORES"));
        for (std::size_t i = 0; i + 1 < r.size() && out.size() < most; i += 2) {
            indexed one{std::string(r[i].text()), static_cast<unix_ms>(r[i + 1].number())};
            if (!last || is_behind(one, *last))
                out.push_back(std::move(one));
        }
        if (r.size() < 2 * count)
            break;
        const bool same_time = out.empty() || (last && last->at == out.back().at);
        offset = same_time ? offset + count : 0;
        if (!out.empty())
            last = out.back();
    }
    co_return out;
}

} // namespace reprise::api
