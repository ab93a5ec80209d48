// `reprise-api doctor`: compares what Redis and the blob store hold with each other, and puts right what follows from the
// runs' hashes. Can be run while everything works; finds nothing then, unless somebody's hand was in it.
#pragma once
#include "api/settings.hpp"

namespace reprise::api {

struct doctor_order {
    bool repair = false;
    bool digests = false; // also read every blob and compare its SHA-256
    bool json = false;
};

// Exit status: 0 nothing is wrong (any more), 1 something is, 2 Redis or the blob store cannot be looked at.
int examine(const api_settings& settings, const doctor_order& order);

} // namespace reprise::api
