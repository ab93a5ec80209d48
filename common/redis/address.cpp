#include "common/redis/address.hpp"

#include <charconv>
#include <stdexcept>

namespace reprise::redis {
namespace {

int number(std::string_view s, int most, const char* what) {
    int n = -1;
    const auto [end, bad] = std::from_chars(s.data(), s.data() + s.size(), n);
    if (bad != std::errc() || end != s.data() + s.size() || n < 0 || n > most)
        throw std::invalid_argument(std::string("the Redis URL's ") + what + " must be 0 to " + std::to_string(most));
    return n;
}

std::string percent_decoded(std::string_view s) {
    std::string out;
    for (std::size_t i = 0; i < s.size(); ++i) {
        int byte = 0;
        if (s[i] == '%' && i + 2 < s.size() &&
            std::from_chars(s.data() + i + 1, s.data() + i + 3, byte, 16).ptr == s.data() + i + 3) {
            out += static_cast<char>(byte);
            i += 2;
        } else {
            out += s[i];
        }
    }
    return out;
}

} // namespace

std::string address::shown() const {
    return host.empty() ? "unix://" + path : "redis://" + host + ":" + port;
}

address parse_address(std::string_view url) {
    address a;
    if (url.starts_with("unix://")) {
        a.path = url.substr(7);
        if (!a.path.starts_with('/') || a.path.size() > 107)
            throw std::invalid_argument("a unix:// URL takes an absolute path of at most 107 bytes");
        return a;
    }
    if (url.starts_with("rediss://"))
        throw std::invalid_argument("rediss:// (TLS) is not supported; put a TLS proxy such as stunnel in between");
    if (!url.starts_with("redis://"))
        throw std::invalid_argument("a Redis URL begins with redis:// or unix://");
    url.remove_prefix(8);

    if (const auto at = url.rfind('@'); at != std::string_view::npos) {
        const auto who = url.substr(0, at);
        const auto colon = who.find(':');
        a.user = percent_decoded(who.substr(0, colon));
        if (colon != std::string_view::npos)
            a.password = percent_decoded(who.substr(colon + 1));
        url.remove_prefix(at + 1);
    }
    if (const auto slash = url.find('/'); slash != std::string_view::npos) {
        if (slash + 1 < url.size())
            a.database = number(url.substr(slash + 1), 1000000, "database");
        url = url.substr(0, slash);
    }
    if (url.starts_with('[')) { // IPv6
        const auto close = url.find(']');
        if (close == std::string_view::npos)
            throw std::invalid_argument("the Redis URL's IPv6 address has no ]");
        a.host = url.substr(1, close - 1);
        url.remove_prefix(close + 1);
    } else {
        const auto colon = url.find(':');
        a.host = url.substr(0, colon);
        url.remove_prefix(a.host.size());
    }
    if (url.starts_with(':'))
        a.port = std::to_string(number(url.substr(1), 65535, "port"));
    else if (!url.empty())
        throw std::invalid_argument("the Redis URL's host is followed by something that is not a port");
    if (a.host.empty())
        throw std::invalid_argument("the Redis URL names no host");
    return a;
}

} // namespace reprise::redis
