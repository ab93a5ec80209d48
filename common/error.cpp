#include "common/error.hpp"

#include <array>
#include <utility>

namespace reprise {
namespace {

struct row {
    std::string_view name;
    int status;
    std::string_view meaning;
};

constexpr auto table = std::to_array<row>({
#define CODE(name, status, meaning) {#name, status, meaning},
#include "common/error_codes.def"
#undef CODE
});

const row& row_of(errc e) {
    return table.at(static_cast<std::size_t>(e));
}

} // namespace

std::string_view code_of(errc e) {
    return row_of(e).name;
}

int http_status_of(errc e) {
    return row_of(e).status;
}

std::string_view meaning_of(errc e) {
    return row_of(e).meaning;
}

errc errc_of(std::string_view code) {
    for (std::size_t i = 0; i < table.size(); ++i)
        if (table[i].name == code)
            return static_cast<errc>(i);
    throw std::invalid_argument("no such error code: " + std::string(code));
}

void throw_exception_from_error(const failure& f, const boost::source_location&) {
    throw std::logic_error("unexpected failure " + std::string(code_of(f.code)) + ": " + f.message);
}

} // namespace reprise
