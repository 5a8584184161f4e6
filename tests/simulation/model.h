// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace causeway::simulation {

/// The order of what hosts see. Everything a host submits or is answered gets the next one.
using moment = std::uint64_t;
inline constexpr moment never = ~moment{0};

/// What one write left in a block: unique among all writes of a run. 0: zeroes.
using value = std::uint64_t;

/// What each block of one disk may hold, judged by nothing but what hosts have seen: which writes were submitted and
/// answered, and when.
///
/// Each write takes effect in one block at one moment between its submission and its end, or, unless it was
/// acknowledged, never. A write whose connection was lost ends when the target holds nothing of that connection any
/// more. So a read may find the value of every write that had begun before the read ended, and that no other write is
/// known to have replaced: known is a write that was acknowledged, or whose value a read has found.
class disk_model {
  public:
    disk_model(std::uint16_t disk, std::uint32_t block_size, std::uint64_t blocks);

    std::uint16_t disk() const noexcept { return disk_; }
    std::uint32_t block_size() const noexcept { return block_size_; }
    std::uint64_t blocks() const noexcept { return history_.size(); }

    /// Writes `v` to the blocks, from `begin` on.
    void begin_write(value v, std::uint64_t block, std::uint64_t count, moment begin);
    enum class outcome : std::uint8_t {
        acknowledged,
        maybe,    ///< failed; it may have been written or not
        refused,  ///< failed with a status that promises that nothing was written
    };
    /// False: it was refused, and yet a read has found it.
    bool end_write(value v, std::uint64_t block, std::uint64_t count, moment begin, outcome o, moment end);

    /// While a read is on its way nothing is forgotten that it might find.
    void begin_read(moment begin);
    void end_read(moment begin);

    /// True: a read between those moments may find `v` in `block`.
    bool may_find(value v, std::uint64_t block, moment begin, moment end) const;
    /// A read has found `v` there: so the write that left it has taken effect by `end`.
    void found(value v, std::uint64_t block, moment end);
    /// All that a read between those moments may find.
    std::vector<value> candidates(std::uint64_t block, moment begin, moment end) const;
    /// Who wrote when, for the report of a failure.
    std::string history(std::uint64_t block) const;

    // A block's bytes: its value, its number and its disk, again and again; or zeroes.
    void fill(std::span<std::byte> data, value v, std::uint64_t first_block) const;
    void fill_block(std::span<std::byte> data, value v, std::uint64_t block) const;
    /// nullopt: these are not the bytes of any value of this block on this disk.
    std::optional<value> decode(std::span<const std::byte> data, std::uint64_t block) const;

  private:
    struct record {
        value v;
        moment begin;
        moment end;  ///< it takes effect before, if at all; never: still on its way
        bool known;  ///< it has taken effect, by `end`
    };
    bool replaced(const record& r, const std::vector<record>& all, moment by) const;
    void forget(std::vector<record>& all);

    std::uint16_t disk_;
    std::uint32_t block_size_;
    std::vector<std::vector<record>> history_;
    std::map<moment, unsigned> reads_;  ///< on their way, by begin
};

}  // namespace causeway::simulation
