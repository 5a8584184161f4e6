// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "nvme/discovery.h"
#include "nvmf/port.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace causeway::nvmf {

/// An entry of the discovery log, shared by the logs of all hosts that see it. Immutable.
struct discovery_entry {
    nvme::discovery_log_entry fixed{};
    std::string admin_label{};  ///< of the subsystem: an attribute of the extended entry

    bool operator==(const discovery_entry& other) const noexcept;
};

/// ADRFAM of an entry.
nvme::address_family family_of(const transport_address& a) noexcept;

/// Everything that a host sees in the discovery log, at one time, in both formats: with entries of 1 KiB, and with
/// extended ones. NVM Express Base Specification 2.0, "Discovery Log Page". Immutable.
class discovery_page {
  public:
    discovery_page(std::uint64_t generation, std::vector<std::shared_ptr<const discovery_entry>> entries);

    std::uint64_t generation() const noexcept { return generation_; }
    std::uint64_t size(bool extended) const noexcept { return begin_of(entries_.size(), extended); }
    /// The bytes from `offset` on. REQUIRES: they are within the page.
    void copy(std::span<std::byte> into, std::uint64_t offset, bool extended) const;

  private:
    std::uint64_t begin_of(std::size_t entry, bool extended) const noexcept;
    std::size_t entry_at(std::uint64_t offset, bool extended) const noexcept;

    const std::uint64_t generation_;
    const std::vector<std::shared_ptr<const discovery_entry>> entries_;
    std::vector<std::uint32_t> extended_begins_;  ///< where each extended entry begins, and where the last one ends
};

}  // namespace causeway::nvmf
