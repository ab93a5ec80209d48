// Cross-origin requests (CORS): allowed for the origins that the operator names, by default for none. Pure.
#pragma once
#include "api/http/message.hpp"

#include <boost/beast/http/fields.hpp>

#include <set>
#include <string>
#include <string_view>

namespace reprise::api {

class cross_origin {
  public:
    // `origins`: such as https://app.example, separated by commas; empty allows none.
    explicit cross_origin(std::string_view origins);

    // Adds what a browser needs to show this answer to the page that asked.
    void allow(const http::fields& request, response& r) const;
    // The same for an OPTIONS request that asks beforehand. `methods` of the path.
    void allow_preflight(const http::fields& request, std::string_view methods, response& r) const;

  private:
    std::set<std::string, std::less<>> origins_;
};

} // namespace reprise::api
