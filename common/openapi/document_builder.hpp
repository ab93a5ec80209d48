// Builds a JSON tree from parse events within limits, whichever parser sends them. Aliases are copied, merge
// keys resolved and plain YAML scalars typed here, so that everything behind sees one canonical document, and
// no two parsers can read it differently.
#pragma once
#include "common/error.hpp"

#include <rapidjson/document.h>

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace reprise::openapi {

struct document_limits {
    std::size_t bytes = 16u << 20;
    std::size_t nodes = 1'000'000;
    std::size_t depth = 64;
    std::size_t aliases = 1000;
};

class document_refused : public std::exception {
  public:
    document_refused(errc code, std::string why) : what_(code, std::move(why)) {}
    const failure& refusal() const { return what_; }
    const char* what() const noexcept override { return what_.message.c_str(); }

  private:
    failure what_;
};

class document_builder {
  public:
    using anchor = std::size_t; // 0: none
    explicit document_builder(document_limits limits) : limits_(limits) {}

    // Each throws document_refused when a limit is passed or the document makes no sense.
    void null(anchor a = 0);
    void boolean(bool b);
    void number(std::string_view json_number);
    void string(std::string_view s, anchor a = 0);
    void plain_scalar(std::string_view s, anchor a); // YAML: null, booleans and numbers by the core schema
    void begin_map(anchor a = 0);
    void end_map();
    void begin_list(anchor a = 0);
    void end_list();
    void alias(anchor a);

    rapidjson::Document take();

  private:
    using value = rapidjson::Value;
    struct open_container {
        value v;
        anchor name;
        bool key_next; // of a map: the next scalar is a key
        value key;
        std::vector<value> merged; // values of `<<`
        std::size_t nodes_before;
        std::size_t height = 1; // levels of containers, its own included
    };

    void add(value v, anchor a, std::size_t nodes, std::size_t height = 0);
    void place(value v);
    void check_depth(std::size_t levels) const;
    void take_key(const value& v);
    void count(std::size_t nodes);
    void close_map(open_container& c);
    void merge(open_container& c);

    document_limits limits_;
    rapidjson::Document doc_;
    std::vector<open_container> open_;
    struct anchored {
        value v;
        std::size_t nodes, height;
    };
    std::map<anchor, anchored> anchors_;
    std::size_t nodes_ = 0, aliases_ = 0;
    bool done_ = false;
};

} // namespace reprise::openapi
