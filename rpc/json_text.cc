// SPDX-License-Identifier: Apache-2.0
#include "rpc/json_text.h"

#include "rpc/json_scanner.h"
#include "rpc/slices.h"

#include <algorithm>
#include <fmt/format.h>
#include <unordered_set>

namespace causeway::rpc {

namespace {

/// Builds the value. nlohmann's own builder looks for every new member among those that an object has already, which
/// takes seconds for an object of many thousand members; and it keeps the last of several equal keys without a word.
class builder final : public nlohmann::json_sax<json> {
  public:
    explicit builder(std::string_view text) : text_(text) {}

    parsed_text result;
    std::string error;

    bool null() override { return put(json(nullptr)); }
    bool boolean(bool v) override { return put(json(v)); }
    bool number_integer(number_integer_t v) override { return put(json(v)); }
    bool number_unsigned(number_unsigned_t v) override { return put(json(v)); }
    bool number_float(number_float_t v, const string_t&) override { return put(json(v)); }
    bool string(string_t& v) override { return put(json(std::move(v))); }
    bool binary(binary_t&) override { return false; }

    bool start_object(std::size_t) override { return open(json::object()); }
    bool start_array(std::size_t) override { return open(json::array()); }
    bool end_object() override { return close(); }
    bool end_array() override { return close(); }

    bool key(string_t& k) override {
        level& l = levels_.back();
        l.skip_next = !l.keys.insert(k).second;
        if (l.skip_next)
            result.duplicates.push_back(path(k));
        l.key = std::move(k);
        return true;
    }

    bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception& e) override {
        const std::string_view before = text_.substr(0, std::min(position ? position - 1 : 0, text_.size()));
        const auto line = 1 + std::count(before.begin(), before.end(), '\n');
        const auto last = before.rfind('\n');
        const auto column = last == std::string_view::npos ? before.size() + 1 : before.size() - last;
        std::string_view why = e.what();
        // "[json.exception.parse_error.101] parse error at line 1, column 5: syntax error while …"
        if (const auto colon = why.find(": "); colon != std::string_view::npos)
            why.remove_prefix(colon + 2);
        error = fmt::format("line {}, column {}: {}", line, column, without_quotation(why));
        return false;
    }

  private:
    /// The library quotes what it has read of the text, which may be a key.
    static std::string without_quotation(std::string_view why) {
        const auto begin = why.find("; last read: '");
        if (begin == std::string_view::npos)
            return std::string(why);
        const auto end = why.rfind("'; expected ");
        return std::string(why.substr(0, begin)) +
               (end == std::string_view::npos || end < begin ? "" : std::string(why.substr(end + 1)));
    }

    struct level {
        json value;
        std::string key = {};  // where the next value goes, in an object
        std::unordered_set<std::string> keys = {};
        bool skip_next = false;
    };

    std::string path(const std::string& last) const {
        std::string p;
        for (std::size_t i = 0; i + 1 < levels_.size(); ++i)
            p += '/' + (levels_[i].value.is_array() ? std::to_string(levels_[i].value.size()) : levels_[i].key);
        return p + '/' + last;
    }

    bool put(json v) {
        if (levels_.empty()) {
            result.value = std::move(v);
            return true;
        }
        level& l = levels_.back();
        if (l.value.is_array())
            l.value.push_back(std::move(v));
        else if (!l.skip_next)
            l.value.get_ref<json::object_t&>().emplace_back(l.key, std::move(v));
        return true;
    }
    bool open(json v) {
        if (levels_.size() == json_scanner::max_depth) {
            error = fmt::format("nested deeper than {} levels", json_scanner::max_depth);
            return false;
        }
        levels_.push_back({std::move(v)});
        return true;
    }
    bool close() {
        json v = std::move(levels_.back().value);
        levels_.pop_back();
        return put(std::move(v));
    }

    const std::string_view text_;
    std::vector<level> levels_;
};

}  // namespace

tl::expected<parsed_text, std::string> parse_json(std::string_view text, text_options options) {
    builder b(text);
    if (!json::sax_parse(text.begin(), text.end(), &b, json::input_format_t::json, true, options.comments))
        return tl::make_unexpected(std::move(b.error));
    return std::move(b.result);
}

namespace {

std::string text_of(const json& value) {
    return value.dump(-1, ' ', true, json::error_handler_t::replace);
}

// A value is taken apart if it, or one of its elements, has so many of them.
constexpr std::size_t elements_of_a_long_one = 32;
constexpr std::size_t bytes_written_in_1us = 64;

bool is_long(const json& v) noexcept {
    return v.is_structured() && v.size() >= elements_of_a_long_one;
}

bool is_worth_taking_apart(const json& v) noexcept {
    return is_long(v) || (v.is_structured() && std::ranges::any_of(v, is_long));
}

/// Appends `v` to `to`, and frees it piece by piece: for a long one that takes as long as to write it. An answer is an
/// object of three members, and its result may be one again: down to there everything is taken apart.
core::task<> append(std::string& to, json& v, slicer& slices, unsigned depth = 0) {
    const std::size_t before = to.size();
    if (!v.is_structured() || (depth >= 2 && !is_worth_taking_apart(v))) {
        to += text_of(v);
        v = nullptr;
        co_await slices.did(static_cast<unsigned>((to.size() - before) / bytes_written_in_1us) + 1);
        co_return;
    }
    to += v.is_object() ? '{' : '[';
    bool first = true;
    for (auto it = v.begin(); it != v.end(); ++it) {
        if (!std::exchange(first, false))
            to += ',';
        if (v.is_object())
            to += text_of(json(it.key())) + ':';
        co_await append(to, *it, slices, depth + 1);
    }
    to += v.is_object() ? '}' : ']';
}

}  // namespace

std::string to_line(const json& value) {
    return text_of(value) + '\n';
}

core::task<std::string> to_line_in_slices(json value) {
    std::string line;
    slicer slices;
    co_await append(line, value, slices);
    co_return line + '\n';
}

}  // namespace causeway::rpc
