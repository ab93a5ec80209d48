#include "api/http/head_scanner.hpp"

#include <array>

namespace reprise::api {
namespace {

// RFC 9110, 5.6.2: what names of methods and fields are made of.
constexpr auto token_characters = [] {
    std::array<bool, 256> is{};
    for (const char c :
         std::string_view("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"))
        is[static_cast<unsigned char>(c)] = true;
    return is;
}();

bool is_token_character(unsigned char c) {
    return token_characters[c];
}

constexpr std::string_view version = "HTTP/1."; // and 0 or 1

} // namespace

head_scanner::verdict head_scanner::look(std::string_view received) {
    while (!complete_ && seen_ < received.size()) {
        if (seen_ == most_)
            return verdict::too_large;
        if (!step(static_cast<unsigned char>(received[seen_])))
            return verdict::malformed;
        ++seen_;
    }
    return complete_ ? verdict::complete : verdict::incomplete;
}

bool head_scanner::go(place next) {
    place_ = next;
    in_place_ = 0;
    return true;
}

bool head_scanner::refuse(std::string_view why) {
    wrong_ = why;
    return false;
}

bool head_scanner::step(unsigned char c) {
    const auto place_now = in_place_++;
    switch (place_) {
    case place::method:
        if (c == ' ' && place_now > 0)
            return go(place::target);
        return is_token_character(c) || refuse("a request begins with a method");
    case place::target:
        if (c == ' ' && place_now > 0)
            return go(place::version);
        return (c > 0x20 && c < 0x7f) || refuse("the request target must be a path of visible ASCII");
    case place::version:
        if (place_now < version.size() ? c == static_cast<unsigned char>(version[place_now])
                                       : place_now == version.size() && (c == '0' || c == '1'))
            return true;
        if (place_now == version.size() + 1 && c == '\r')
            return go(place::first_line_feed);
        return refuse("only HTTP/1.0 and HTTP/1.1 are spoken here");
    case place::first_line_feed:
    case place::line_feed:
        return c == '\n' ? go(place::field) : refuse("a carriage return stands only before a line feed");
    case place::field:
        if (c == '\r')
            return go(place::last_line_feed);
        if (c == ' ' || c == '\t')
            return refuse("a field does not go on on a second line");
        return is_token_character(c) ? go(place::name) : refuse("a field begins with its name");
    case place::name:
        if (c == ':')
            return go(place::value);
        return is_token_character(c) || refuse("a field's name is a token, with a colon right behind it");
    case place::value:
        if (c == '\r')
            return go(place::line_feed);
        return (c >= 0x20 && c != 0x7f) || c == '\t' || refuse("a field's value has no control characters");
    case place::last_line_feed:
        complete_ = c == '\n';
        return complete_ || refuse("a carriage return stands only before a line feed");
    }
    return false;
}

} // namespace reprise::api
