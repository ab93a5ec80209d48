#pragma once
#include "common/settings.hpp"

#include <cstdint>
#include <string>

namespace reprise::api {

// More than this the workers' steps do not read.
inline constexpr std::int64_t largest_document = 16 << 20;

struct api_settings {
    common_settings common;
    std::string listen = "127.0.0.1:8080";
    unsigned threads = 2;
    unsigned most_connections = 4096;
    unsigned most_of_one_address = 1024;
    unsigned requests_per_second = 1000; // of one key; 0: no limit
    std::int64_t most_document_bytes = largest_document;
    std::string cors_origins;
    unsigned drain_s = 10;

    void add_to(CLI::App& app);
    void validate() const; // throws std::invalid_argument that names the setting
    boost::asio::ip::tcp::endpoint endpoint() const { return endpoint_in("REPRISE_LISTEN", listen); }
};

} // namespace reprise::api
