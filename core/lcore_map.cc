// SPDX-License-Identifier: Apache-2.0
#include "core/lcore_map.h"

#include <algorithm>
#include <charconv>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <optional>
#include <sched.h>
#include <set>

namespace causeway::core {

namespace {

constexpr unsigned max_cpus = CPU_SETSIZE;
constexpr unsigned max_lcores = 128;  // DPDK's RTE_MAX_LCORE

using numbers = std::set<unsigned>;

/// Reads from the front of what is left of a text.
class reader {
  public:
    explicit reader(std::string_view text) noexcept : left_(text) {}

    bool at_end() const noexcept { return left_.empty(); }
    bool skip(char c) noexcept {
        if (left_.empty() || left_.front() != c)
            return false;
        left_.remove_prefix(1);
        return true;
    }

    std::optional<unsigned> number() noexcept {
        unsigned n = 0;
        const auto [end, failed] = std::from_chars(left_.data(), left_.data() + left_.size(), n);
        if (failed != std::errc{} || n >= max_cpus)
            return std::nullopt;
        left_.remove_prefix(static_cast<std::size_t>(end - left_.data()));
        return n;
    }

    /// "2" or "2-5".
    bool range(numbers& into) {
        const auto first = number();
        const auto last = first && skip('-') ? number() : first;
        if (!first || !last || *last < *first)
            return false;
        for (unsigned n = *first; n <= *last; ++n)
            into.insert(n);
        return true;
    }

    /// "0,2-5".
    bool list(numbers& into) {
        do {
            if (!range(into))
                return false;
        } while (skip(','));
        return true;
    }

    /// "2", "2-5" or "(0,2-5)".
    bool group(numbers& into) { return skip('(') ? list(into) && skip(')') : range(into); }

  private:
    std::string_view left_;
};

tl::unexpected<error> bad_mask(std::string_view mask) {
    return fail(EINVAL, "a core mask is like 0x3 or [0,2-3], and names at least one CPU", mask);
}

std::optional<unsigned> hex_digit(char c) noexcept {
    unsigned n = 0;
    const auto [end, failed] = std::from_chars(&c, &c + 1, n, 16);
    return failed == std::errc{} && end == &c + 1 ? std::optional(n) : std::nullopt;
}

bool parse_hex(std::string_view digits, numbers& into) {
    if (digits.size() > max_cpus / 4)
        return false;
    for (std::size_t i = 0; i < digits.size(); ++i) {
        const auto digit = hex_digit(digits[digits.size() - 1 - i]);
        if (!digit)
            return false;
        for (unsigned bit = 0; bit < 4; ++bit)
            if (*digit & (1u << bit))
                into.insert(static_cast<unsigned>(4 * i + bit));
    }
    return true;
}

std::vector<unsigned> to_vector(const numbers& n) {
    return {n.begin(), n.end()};
}

}  // namespace

result<lcore_map> parse_core_mask(std::string_view mask) {
    numbers cpus;
    reader in(mask);
    if (in.skip('[')) {
        if (!in.list(cpus) || !in.skip(']') || !in.at_end())
            return bad_mask(mask);
    } else {
        const bool prefixed = mask.starts_with("0x") || mask.starts_with("0X");
        if (!parse_hex(prefixed ? mask.substr(2) : mask, cpus))
            return bad_mask(mask);
    }
    if (cpus.empty())
        return bad_mask(mask);
    if (cpus.size() > max_lcores)
        return fail(EINVAL, fmt::format("at most {} cores can be used", max_lcores), mask);

    lcore_map map;
    for (unsigned cpu : cpus)
        map.push_back({static_cast<unsigned>(map.size()), {cpu}});
    return map;
}

result<lcore_map> parse_lcores(std::string_view text) {
    const auto bad = [&] { return fail(EINVAL, "lcores are like 0-3, 0@2,1@5 or (0-3)@0", text); };
    lcore_map map;
    numbers taken;
    reader in(text);
    do {
        numbers ids;
        numbers cpus;
        if (!in.group(ids))
            return bad();
        const bool mapped = in.skip('@');
        if (mapped && !in.group(cpus))
            return bad();
        for (unsigned id : ids) {
            if (id >= max_lcores)
                return fail(EINVAL, fmt::format("lcores are numbered from 0 to {}", max_lcores - 1), text);
            if (!taken.insert(id).second)
                return fail(EINVAL, fmt::format("lcore {} is named twice", id), text);
            map.push_back({id, mapped ? to_vector(cpus) : std::vector{id}});
        }
    } while (in.skip(','));
    if (!in.at_end())
        return bad();
    std::sort(map.begin(), map.end(), [](const auto& a, const auto& b) { return a.id < b.id; });
    return map;
}

std::string to_string(const lcore_map& map) {
    std::string text;
    for (const auto& l : map)
        text += fmt::format("{}{}@({})", text.empty() ? "" : ",", l.id, fmt::join(l.cpus, ","));
    return text;
}

}  // namespace causeway::core
