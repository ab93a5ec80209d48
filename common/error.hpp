// The words that both processes share for what goes wrong.
//
// Three bands. What depends on input or state is a value: `result<T>`. What is wrong with the world (Redis
// away, disk unreadable) is an exception, `outage`, that travels to the one place that can act on it: the
// request boundary, the claim loop. A bug is any other exception, caught at the request, the run and main.
#pragma once
#include <boost/system/result.hpp>

#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace reprise {

enum class errc {
#define CODE(name, status, meaning) name,
#include "common/error_codes.def"
#undef CODE
};

std::string_view code_of(errc e);    // the stable public name
int http_status_of(errc e);          // 0 for codes that only runs and steps carry
std::string_view meaning_of(errc e); // one sentence for people
errc errc_of(std::string_view code); // throws std::invalid_argument for a name not in the table

struct failure {
    failure() = default;
    failure(errc c, std::string m) : code(c), message(std::move(m)) {}
    errc code = errc::internal_error;
    std::string message; // more than the meaning of the code, for people; may be empty
};

[[noreturn]] void throw_exception_from_error(const failure& f, const boost::source_location& where);

template <class T>
using result = boost::system::result<T, failure>;

// The world failed, and the same call may succeed later.
class outage : public std::runtime_error {
  public:
    outage(errc code, const std::string& what) : std::runtime_error(what), code_(code) {}
    errc code() const { return code_; }

  private:
    errc code_;
};

} // namespace reprise
