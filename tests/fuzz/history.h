// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>

namespace causeway::fuzz {

/// The inputs since the last connection: a finding may need those before it, too. Kept in a file that outlives the
/// process: `CAUSEWAY_FUZZ_HISTORY` names it; none, nothing is kept.
class history {
  public:
    history();
    void clear() noexcept;
    void add(std::span<const std::uint8_t> input) noexcept;

    /// Calls `f` with each input of such a file.
    static void replay(const std::string& file, const std::function<void(std::span<const std::uint8_t>)>& f);

  private:
    std::byte* mapped_ = nullptr;
    std::size_t used_ = 0;
};

}  // namespace causeway::fuzz
