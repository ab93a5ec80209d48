// Ids of runs, projects and bulk retries: `run_`, `prj_` or `blk_`, two characters for the partition, 26 for a ULID. Whoever holds an id
// can find the partition; ids of one millisecond sort by chance, of different ones by time. Pure: randomness is
// passed in.
#pragma once
#include "common/crypto/base32.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace reprise {

inline constexpr unsigned max_partitions = 1024;

enum class id_kind { run, project, bulk };

// `random` must have at least 16 characters of base32; 16 are used.
std::string make_id(id_kind kind, unsigned partition, std::uint64_t unix_ms, std::string_view random);

// The partition of a well-formed id, or nothing. Case matters: there is one spelling of an id.
std::optional<unsigned> partition_of(id_kind kind, std::string_view id);

} // namespace reprise
