// SPDX-License-Identifier: Apache-2.0
#include "tests/simulation/model.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <cstring>
#include <fmt/format.h>

namespace causeway::simulation {

namespace {

using line = std::array<std::uint64_t, 2>;

line line_of(std::uint16_t disk, value v, std::uint64_t block) {
    return v ? line{v, std::uint64_t{disk} << 48 | block} : line{0, 0};
}

}  // namespace

disk_model::disk_model(std::uint16_t disk, std::uint32_t block_size, std::uint64_t blocks)
    : disk_(disk), block_size_(block_size), history_(blocks, {record{0, 0, 0, true}}) {}

void disk_model::begin_write(value v, std::uint64_t block, std::uint64_t count, moment begin) {
    for (std::uint64_t b = block; b < block + count && b < blocks(); ++b) {
        forget(history_[b]);
        history_[b].push_back({v, begin, never, false});
    }
}

bool disk_model::end_write(value v, std::uint64_t block, std::uint64_t count, moment begin, outcome o, moment end) {
    bool honest = true;
    for (std::uint64_t b = block; b < block + count && b < blocks(); ++b) {
        auto& all = history_[b];
        const auto it =
            std::find_if(all.begin(), all.end(), [&](const record& r) { return r.v == v && r.begin == begin; });
        if (it == all.end())
            continue;  // found by a read, replaced, and forgotten
        if (o == outcome::refused) {
            honest &= !it->known;
            all.erase(it);
        } else {
            it->end = std::min(it->end, end);
            it->known |= o == outcome::acknowledged;
        }
    }
    return honest;
}

void disk_model::begin_read(moment begin) {
    ++reads_[begin];
}

void disk_model::end_read(moment begin) {
    if (const auto it = reads_.find(begin); --it->second == 0)
        reads_.erase(it);
}

bool disk_model::replaced(const record& r, const std::vector<record>& all, moment by) const {
    return std::any_of(all.begin(), all.end(),
                       [&](const record& other) { return other.known && r.end < other.begin && other.end < by; });
}

bool disk_model::may_find(value v, std::uint64_t block, moment begin, moment end) const {
    const auto& all = history_[block];
    return std::any_of(all.begin(), all.end(),
                       [&](const record& r) { return r.v == v && r.begin < end && !replaced(r, all, begin); });
}

void disk_model::found(value v, std::uint64_t block, moment end) {
    if (v == 0)
        return;  // many writes leave zeroes
    for (record& r : history_[block]) {
        if (r.v == v) {
            r.known = true;
            r.end = std::min(r.end, end);
        }
    }
}

std::vector<value> disk_model::candidates(std::uint64_t block, moment begin, moment end) const {
    std::vector<value> values;
    for (const record& r : history_[block])
        if (may_find(r.v, block, begin, end) && std::find(values.begin(), values.end(), r.v) == values.end())
            values.push_back(r.v);
    return values;
}

void disk_model::forget(std::vector<record>& all) {
    const moment oldest = reads_.empty() ? never : reads_.begin()->first;
    std::vector<record> kept;
    for (const record& r : all)
        if (!replaced(r, all, oldest))
            kept.push_back(r);
    all.swap(kept);
}

std::string disk_model::history(std::uint64_t block) const {
    std::string text;
    for (const record& r : history_[block]) {
        const std::string end = r.end == never ? "…" : std::to_string(r.end);
        text += fmt::format("    {} [{}, {}] {}\n", r.v, r.begin, end, r.known ? "took effect" : "may have");
    }
    return text;
}

void disk_model::fill_block(std::span<std::byte> data, value v, std::uint64_t block) const {
    const line l = line_of(disk_, v, block);
    for (std::size_t at = 0; at < data.size(); at += sizeof l)
        std::memcpy(&data[at], &l, sizeof l);
}

void disk_model::fill(std::span<std::byte> data, value v, std::uint64_t first_block) const {
    for (std::size_t at = 0; at < data.size(); at += block_size_)
        fill_block(data.subspan(at, block_size_), v, first_block++);
}

std::optional<value> disk_model::decode(std::span<const std::byte> data, std::uint64_t block) const {
    line first;
    std::memcpy(&first, data.data(), sizeof first);
    const line expected = line_of(disk_, first[0], block);
    for (std::size_t at = 0; at < data.size(); at += sizeof expected)
        if (std::memcmp(&data[at], &expected, sizeof expected) != 0)
            return std::nullopt;
    return first[0];
}

}  // namespace causeway::simulation
