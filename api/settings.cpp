#include "api/settings.hpp"

#include <CLI/CLI.hpp>

#include <algorithm>
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
    endpoint();
    if (threads < 1 || threads > 64)
        throw std::invalid_argument("REPRISE_THREADS must be 1 to 64");
    if (most_connections < 1)
        throw std::invalid_argument("REPRISE_MAX_CONNECTIONS must be at least 1");
    if (most_document_bytes < 1 || most_document_bytes > largest_document)
        throw std::invalid_argument("REPRISE_DOCUMENT_LIMIT must be 1 to 16777216");
    if (most_of_one_address < 1)
        throw std::invalid_argument("REPRISE_MAX_PER_ADDRESS must be at least 1");
}

} // namespace reprise::api
