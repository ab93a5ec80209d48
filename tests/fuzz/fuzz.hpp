// What every target holds to: what must be true of any input. libFuzzer calls LLVMFuzzerTestOneInput with whatever it makes.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace reprise::fuzz {

inline std::string_view text_of(const std::uint8_t* data, std::size_t size) {
    return {reinterpret_cast<const char*>(data), size};
}

// Ends the process in a way that libFuzzer takes for a finding.
inline void require(bool holds) {
    if (!holds)
        __builtin_trap();
}

} // namespace reprise::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
