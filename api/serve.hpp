#pragma once
#include "api/settings.hpp"

namespace reprise::api {

// Serves until TERM or INT, then drains; a second signal ends it at once. The process' exit status: 0, or 78 when
// the deployment is wrong (another schema in Redis, a blob store that cannot be used, a port that is taken).
int serve(const api_settings& settings);

} // namespace reprise::api
