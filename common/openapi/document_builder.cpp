#include "common/openapi/document_builder.hpp"

#include "common/json/utf8.hpp"

#include <charconv>
#include <cmath>
#include <cstdlib>
#include <unordered_set>

namespace reprise::openapi {
namespace {

[[noreturn]] void too_large(const std::string& why) {
    throw document_refused(errc::spec_too_large, why);
}

[[noreturn]] void senseless(const std::string& why) {
    throw document_refused(errc::spec_unreadable, why);
}

bool is_digits(std::string_view s) {
    return !s.empty() && s.find_first_not_of("0123456789") == std::string_view::npos;
}

// YAML 1.2 core schema: [-+]? ( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )?
bool is_float(std::string_view s) {
    if (!s.empty() && (s[0] == '-' || s[0] == '+'))
        s.remove_prefix(1);
    std::string_view mantissa = s;
    if (const auto e = s.find_first_of("eE"); e != std::string_view::npos) {
        mantissa = s.substr(0, e);
        auto exponent = s.substr(e + 1);
        if (!exponent.empty() && (exponent[0] == '-' || exponent[0] == '+'))
            exponent.remove_prefix(1);
        if (!is_digits(exponent))
            return false;
    }
    const auto dot = mantissa.find('.');
    if (dot == std::string_view::npos)
        return is_digits(mantissa);
    const auto whole = mantissa.substr(0, dot), part = mantissa.substr(dot + 1);
    return (is_digits(whole) && (part.empty() || is_digits(part))) || (whole.empty() && is_digits(part));
}

rapidjson::Value number_value(std::string_view s) {
    if (s.starts_with('+'))
        s.remove_prefix(1);
    std::int64_t i = 0;
    auto r = std::from_chars(s.data(), s.data() + s.size(), i);
    if (r.ec == std::errc() && r.ptr == s.data() + s.size())
        return rapidjson::Value(i);
    std::uint64_t u = 0;
    r = std::from_chars(s.data(), s.data() + s.size(), u);
    if (r.ec == std::errc() && r.ptr == s.data() + s.size())
        return rapidjson::Value(u);
    const double d = std::strtod(std::string(s).c_str(),
                                 nullptr); // from_chars does not say on which side it went out of range
    // JSON has no infinity; a number beyond a double is cut to the largest one.
    return rapidjson::Value(std::isfinite(d) ? d : std::copysign(1.7976931348623157e308, d));
}

std::optional<std::int64_t> based_integer(std::string_view s) {
    const int base = s.starts_with("0x") ? 16 : s.starts_with("0o") ? 8 : 0;
    std::int64_t n = 0;
    if (base == 0 || s.size() < 3)
        return std::nullopt;
    const auto r = std::from_chars(s.data() + 2, s.data() + s.size(), n, base);
    if (r.ec != std::errc() || r.ptr != s.data() + s.size())
        return std::nullopt;
    return n;
}

std::string_view text_of(const rapidjson::Value& v) {
    return {v.GetString(), v.GetStringLength()};
}

} // namespace

void document_builder::count(std::size_t nodes) {
    nodes_ += nodes;
    if (nodes_ > limits_.nodes)
        too_large("more than " + std::to_string(limits_.nodes) + " nodes, aliases resolved");
}

void document_builder::null(anchor a) {
    add(value(), a, 1);
}

void document_builder::boolean(bool b) {
    add(value(b), 0, 1);
}

void document_builder::number(std::string_view json_number) {
    add(number_value(json_number), 0, 1);
}

void document_builder::string(std::string_view s, anchor a) {
    if (!is_utf8(s))
        senseless("text that is not valid UTF-8");
    add(value(s.data(), static_cast<rapidjson::SizeType>(s.size()), doc_.GetAllocator()), a, 1);
}

void document_builder::plain_scalar(std::string_view s, anchor a) {
    const bool is_key = !open_.empty() && open_.back().v.IsObject() && open_.back().key_next;
    if (is_key)
        string(s, a); // keys of JSON objects are text: `200:` is "200"
    else if (s.empty() || s == "~" || s == "null" || s == "Null" || s == "NULL")
        null(a);
    else if (s == "true" || s == "True" || s == "TRUE")
        add(value(true), a, 1);
    else if (s == "false" || s == "False" || s == "FALSE")
        add(value(false), a, 1);
    else if (const auto n = based_integer(s))
        add(value(*n), a, 1);
    else if (s.size() <= 400 && is_float(s))
        add(number_value(s), a, 1);
    else
        string(s, a);
}

void document_builder::begin_map(anchor a) {
    check_depth(1);
    count(1);
    open_.push_back({value(rapidjson::kObjectType), a, true, value(), {}, nodes_ - 1, 1});
}

void document_builder::begin_list(anchor a) {
    check_depth(1);
    count(1);
    open_.push_back({value(rapidjson::kArrayType), a, false, value(), {}, nodes_ - 1, 1});
}

void document_builder::end_map() {
    auto c = std::move(open_.back());
    open_.pop_back();
    close_map(c);
    const auto nodes = nodes_ - c.nodes_before;
    nodes_ = c.nodes_before;
    add(std::move(c.v), c.name, nodes, c.height);
}

void document_builder::end_list() {
    auto c = std::move(open_.back());
    open_.pop_back();
    const auto nodes = nodes_ - c.nodes_before;
    nodes_ = c.nodes_before;
    add(std::move(c.v), c.name, nodes, c.height);
}

void document_builder::alias(anchor a) {
    if (++aliases_ > limits_.aliases)
        too_large("more than " + std::to_string(limits_.aliases) + " aliases");
    const auto found = anchors_.find(a);
    if (found == anchors_.end())
        senseless("an alias to something that contains it");
    count(found->second.nodes);
    nodes_ -= found->second.nodes;
    check_depth(found->second.height); // aliases of aliases must not nest deeper than plain text may
    add(value(found->second.v, doc_.GetAllocator()), 0, found->second.nodes, found->second.height);
}

void document_builder::check_depth(std::size_t levels) const {
    if (open_.size() + levels > limits_.depth)
        too_large("nested more than " + std::to_string(limits_.depth) + " deep");
}

void document_builder::add(value v, anchor a, std::size_t nodes, std::size_t height) {
    count(nodes);
    if (a != 0)
        anchors_[a] = {value(v, doc_.GetAllocator()), nodes, height};
    if (!open_.empty())
        open_.back().height = std::max(open_.back().height, height + 1);
    place(std::move(v));
}

void document_builder::place(value v) {
    if (open_.empty()) {
        if (done_)
            senseless("more than one document");
        done_ = true;
        static_cast<value&>(doc_) = v;
        return;
    }
    auto& c = open_.back();
    if (c.v.IsArray()) {
        c.v.PushBack(v, doc_.GetAllocator());
    } else if (c.key_next) {
        take_key(v);
    } else {
        c.key_next = true;
        if (text_of(c.key) == "<<" && (v.IsObject() || v.IsArray()))
            c.merged.push_back(std::move(v));
        else
            c.v.AddMember(c.key, v, doc_.GetAllocator());
    }
}

void document_builder::take_key(const value& v) {
    auto& c = open_.back();
    if (!v.IsString())
        senseless("a key that is not text");
    c.key.CopyFrom(v, doc_.GetAllocator());
    c.key_next = false;
}

// Duplicate keys are found once a map is whole, by hashing: RapidJSON's own look-up is linear.
void document_builder::close_map(open_container& c) {
    std::unordered_set<std::string_view> keys;
    for (const auto& m : c.v.GetObject())
        if (!keys.insert(text_of(m.name)).second)
            senseless("the key \"" + std::string(utf8_prefix(text_of(m.name), 100)) + "\" is in one map twice");
    if (!c.merged.empty())
        merge(c);
}

// What is there already wins, as the merge key's definition says. The merged values are copies of our own: they are
// moved.
void document_builder::merge(open_container& c) {
    std::unordered_set<std::string> there;
    for (const auto& m : c.v.GetObject())
        there.emplace(text_of(m.name));
    const auto take_from = [&](value& from) {
        for (auto& m : from.GetObject())
            if (there.emplace(text_of(m.name)).second)
                c.v.AddMember(m.name, m.value, doc_.GetAllocator());
    };
    for (auto& m : c.merged) {
        if (m.IsObject()) {
            take_from(m);
        } else {
            for (auto& one : m.GetArray())
                if (one.IsObject())
                    take_from(one);
        }
    }
}

rapidjson::Document document_builder::take() {
    if (!done_)
        senseless("the document is empty");
    anchors_.clear();
    return std::move(doc_);
}

} // namespace reprise::openapi
