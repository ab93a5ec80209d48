#include "api/settings.hpp"

#include <CLI/CLI.hpp>
#include <boost/asio/ip/address.hpp>

#include <algorithm>
#include <charconv>
#include <stdexcept>
#include <thread>

namespace reprise::api {

void api_settings::add_to(CLI::App& app) {
    threads = std::clamp(std::thread::hardware_concurrency(), 1u, 8u);
    add_setting(app, "--listen", listen, "REPRISE_LISTEN", "address:port to serve on; port 0 takes a free one");
    add_setting(app, "--threads", threads, "REPRISE_THREADS", "threads that serve");
    add_setting(app, "--max-connections", most_connections, "REPRISE_MAX_CONNECTIONS", "connections served at once");
    add_setting(app, "--max-per-address", most_of_one_address, "REPRISE_MAX_PER_ADDRESS",
                "connections that one address may have");
    add_setting(app, "--rate", requests_per_second, "REPRISE_RATE",
                "requests per second of one key, per process; twice as many at once; 0: no limit");
    add_setting(app, "--document-limit", most_document_bytes, "REPRISE_DOCUMENT_LIMIT",
                "bytes that a document, a configuration or an old SDK may have");
    add_setting(app, "--cors-origins", cors_origins, "REPRISE_CORS_ORIGINS",
                "origins whose pages may call the API, comma-separated (default: none)");
    add_setting(app, "--drain", drain_s, "REPRISE_DRAIN", "seconds that requests in hand may take after TERM");
    common.add_to(app);
}

void api_settings::validate() const {
    common.validate();
    boost::system::error_code bad;
    boost::asio::ip::make_address(host(), bad);
    if (bad)
        throw std::invalid_argument("REPRISE_LISTEN must be address:port, such as 127.0.0.1:8080 or [::1]:8080");
    port();
    if (threads < 1 || threads > 64)
        throw std::invalid_argument("REPRISE_THREADS must be 1 to 64");
    if (most_connections < 1)
        throw std::invalid_argument("REPRISE_MAX_CONNECTIONS must be at least 1");
    if (most_document_bytes < 1 || most_document_bytes > largest_document)
        throw std::invalid_argument("REPRISE_DOCUMENT_LIMIT must be 1 to 16777216");
    if (most_of_one_address < 1)
        throw std::invalid_argument("REPRISE_MAX_PER_ADDRESS must be at least 1");
}

std::string api_settings::host() const {
    auto h = listen.substr(0, listen.rfind(':'));
    if (h.starts_with('[') && h.ends_with(']'))
        h = h.substr(1, h.size() - 2);
    return h;
}

unsigned short api_settings::port() const {
    const auto text = std::string_view(listen).substr(std::min(listen.size(), listen.rfind(':') + 1));
    unsigned short n = 0;
    const auto r = std::from_chars(text.data(), text.data() + text.size(), n);
    if (text.empty() || r.ec != std::errc() || r.ptr != text.data() + text.size())
        throw std::invalid_argument("REPRISE_LISTEN must end in a port, 0 to 65535");
    return n;
}

} // namespace reprise::api
