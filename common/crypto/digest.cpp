#include "common/crypto/digest.hpp"

#include "common/crypto/base32.hpp"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <stdexcept>

namespace reprise {
namespace {

EVP_MD_CTX* ctx(void* p) {
    return static_cast<EVP_MD_CTX*>(p);
}

// Found once: behind EVP_sha256() OpenSSL looks for an implementation at each digest, which costs more than a short one.
const EVP_MD* algorithm() {
    static const EVP_MD* const found = EVP_MD_fetch(nullptr, "SHA256", nullptr);
    return found;
}

} // namespace

sha256::sha256() : context_(EVP_MD_CTX_new()) {
    if (!context_ || !algorithm() || EVP_DigestInit_ex(ctx(context_), algorithm(), nullptr) != 1)
        throw std::runtime_error("SHA-256 is not available");
}

sha256::~sha256() {
    EVP_MD_CTX_free(ctx(context_));
}

void sha256::update(std::string_view bytes) {
    if (EVP_DigestUpdate(ctx(context_), bytes.data(), bytes.size()) != 1)
        throw std::runtime_error("SHA-256 failed");
}

std::string sha256::hex() {
    std::array<unsigned char, 32> raw{};
    unsigned size = 0;
    if (EVP_DigestFinal_ex(ctx(context_), raw.data(), &size) != 1)
        throw std::runtime_error("SHA-256 failed");
    static constexpr char digits[] = "0123456789abcdef";
    std::string out(raw.size() * 2, '\0');
    for (std::size_t i = 0; i < raw.size(); ++i) {
        out[2 * i] = digits[raw[i] >> 4];
        out[2 * i + 1] = digits[raw[i] & 15];
    }
    return out;
}

std::string sha256_hex(std::string_view bytes) {
    sha256 d;
    d.update(bytes);
    return d.hex();
}

bool is_sha256_hex(std::string_view s) {
    return s.size() == 64 &&
           std::ranges::all_of(s, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

namespace {

// OpenSSL's generator costs as much for sixteen bytes as for a thousand, and a request needs some four times.
class random_store {
  public:
    void take(unsigned char* out, std::size_t size) {
        if (size > bytes_.size()) {
            make(out, size);
            return;
        }
        if (bytes_.size() - used_ < size) {
            make(bytes_.data(), bytes_.size());
            used_ = 0;
        }
        std::memcpy(out, bytes_.data() + used_, size);
        OPENSSL_cleanse(bytes_.data() + used_, size); // nobody gets them again, nor can read them here
        used_ += size;
    }

  private:
    static void make(unsigned char* out, std::size_t size) {
        if (RAND_bytes(out, static_cast<int>(size)) != 1)
            throw std::runtime_error("no random numbers");
    }
    std::array<unsigned char, 1024> bytes_{};
    std::size_t used_ = bytes_.size();
};

} // namespace

// A child process must not use it after a fork without exec: it would get the same numbers.
void fill_random(void* out, std::size_t size) {
    thread_local random_store store;
    store.take(static_cast<unsigned char*>(out), size);
}

std::string random_base32(std::size_t characters) {
    std::string out(characters, '\0');
    fill_random(out.data(), out.size());
    for (char& c : out)
        c = base32_alphabet[static_cast<unsigned char>(c) & 31];
    return out;
}

bool equal_in_constant_time(std::string_view a, std::string_view b) {
    return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

} // namespace reprise
