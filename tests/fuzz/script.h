// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace causeway::fuzz {

/// What an input says, step by step. Any bytes are a script: README.md has the format.
struct step {
    enum class kind : std::uint8_t { capsule, memory, turns };
    kind what;

    // A capsule.
    enum class queue : std::uint8_t { io, admin, fresh } to;
    bool fresh_admin;  ///< a fresh queue asks to be an admin queue
    bool no_turns;     ///< the next one follows at once
    bool raw;  ///< of any length, and its keys and addresses are off by what stands there; otherwise they are right
    std::uint32_t zeros;  ///< bytes behind those below

    std::uint32_t offset;  ///< in the host's memory
    unsigned turns;
    std::span<const std::uint8_t> bytes;
};

class script {
  public:
    explicit script(std::span<const std::uint8_t> input) noexcept : rest_(input), rough_(number(1) == rough_mark) {}
    std::optional<step> next() noexcept;

    /// It may do what gets a connection closed by all rules. To connect again takes as long as a dozen gentle scripts
    /// and more.
    bool rough() const noexcept { return rough_; }

    static constexpr std::uint8_t rough_mark = 0xee;

  private:
    std::uint32_t number(std::size_t bytes) noexcept;
    std::span<const std::uint8_t> take(std::size_t n) noexcept;

    std::span<const std::uint8_t> rest_;
    const bool rough_;
};

}  // namespace causeway::fuzz
