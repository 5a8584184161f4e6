// SPDX-License-Identifier: Apache-2.0
#include "host/pattern.h"

#include <algorithm>
#include <cstring>
#include <fmt/format.h>

namespace causeway::host {

namespace {

struct header {
    std::uint64_t lba, generation, seed;
};

/// The finisher of splitmix64.
constexpr std::uint64_t mix(std::uint64_t x) noexcept {
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

/// The words behind the header. One multiplication each: a core fills and checks gigabytes a second.
struct words {
    std::uint64_t at;
    explicit words(const header& h) noexcept : at(mix(h.seed ^ mix(h.lba ^ mix(h.generation)))) {}
    std::uint64_t next() noexcept {
        at += 0x9e3779b97f4a7c15u;
        return at ^ at >> 29;
    }
};

template <class Each>
void for_each_word(std::size_t block_size, const header& h, Each each) {
    words w(h);
    for (std::size_t at = sizeof h; at < block_size; at += 8)
        if (!each(at, w.next()))
            return;
}

}  // namespace

void pattern::fill(std::span<std::byte> data, std::uint64_t lba, std::uint64_t generation) const noexcept {
    for (std::byte* block = data.data(); block < data.data() + data.size(); block += block_size_, ++lba) {
        const header h{lba, generation, seed_};
        std::memcpy(block, &h, sizeof h);
        for_each_word(block_size_, h, [&](std::size_t at, std::uint64_t word) {
            std::memcpy(block + at, &word, sizeof word);
            return true;
        });
    }
}

bool pattern::is(std::span<const std::byte> block, std::uint64_t lba, std::uint64_t generation) const noexcept {
    const header h{lba, generation, seed_};
    if (std::memcmp(block.data(), &h, sizeof h) != 0)
        return false;
    bool same = true;
    for_each_word(block_size_, h, [&](std::size_t at, std::uint64_t word) {
        return same = std::memcmp(block.data() + at, &word, sizeof word) == 0;
    });
    return same;
}

std::string pattern::describe(std::span<const std::byte> block) const {
    if (std::all_of(block.begin(), block.end(), [](std::byte b) { return b == std::byte{}; }))
        return "zeroes";
    header h;
    std::memcpy(&h, block.data(), sizeof h);
    if (is(block, h.lba, h.generation))
        return fmt::format("generation {} of block {}", h.generation, h.lba);
    std::size_t wrong = 0;
    for_each_word(block_size_, h, [&](std::size_t at, std::uint64_t word) {
        wrong = std::memcmp(block.data() + at, &word, sizeof word) != 0 ? at : 0;
        return wrong == 0;
    });
    if (h.seed == seed_)
        return fmt::format("generation {} of block {}, spoilt from byte {} on", h.generation, h.lba, wrong);
    return fmt::format("nothing of this run (it begins with {:#018x})", h.lba);
}

}  // namespace causeway::host
