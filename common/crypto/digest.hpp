// SHA-256, random bytes and comparison in constant time, by OpenSSL.
#pragma once
#include <array>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace reprise {

class sha256 {
  public:
    sha256();
    ~sha256();
    sha256(const sha256&) = delete;
    sha256& operator=(const sha256&) = delete;

    void update(std::string_view bytes);
    std::string hex(); // ends the digest; 64 lower-case hex digits

  private:
    void* context_;
};

std::string sha256_hex(std::string_view bytes);
bool is_sha256_hex(std::string_view s);

void fill_random(void* out, std::size_t size);     // cryptographically strong; throws if the system has none
std::string random_base32(std::size_t characters); // Crockford's alphabet, lower case; 5 bits a character

bool equal_in_constant_time(std::string_view a, std::string_view b);

} // namespace reprise
