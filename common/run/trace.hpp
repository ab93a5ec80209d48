// W3C Trace Context: who called us, so that a trace goes on into the run's steps.
#pragma once
#include <string>
#include <string_view>

namespace reprise {

// The traceparent if it is well-formed (version 00, lower-case hex, ids not all zero), else empty: a bad one is ignored, as
// https://www.w3.org/TR/trace-context/ asks.
std::string continued_trace(std::string_view traceparent);

// One that begins here, and that nobody has asked to record.
std::string new_trace();

} // namespace reprise
