// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "nvmf/reservation/store.h"

#include <string>

namespace causeway::nvmf::reservation {

/// A reservation in a local file, for a device that no other gateway has. The file is replaced as a whole, so that a
/// crash leaves the old one or the new one. It is written only while the reservation persists (PTPL).
///
/// Files are read and written where blocking is allowed.
class file_store final : public store {
  public:
    file_store(core::reactor_group& group, bdev::uuid device, std::string path);

    bool can_persist() const noexcept override { return true; }
    /// EINVAL: the file contains something else, or is about another device. Errors of the file system.
    core::task<core::result<version>> load() override;
    core::task<core::result<std::uint64_t>> replace(std::uint64_t expected, state next) override;

  private:
    core::reactor_group& group_;
    const bdev::uuid device_;
    const std::string path_;
    std::uint64_t number_ = 0;
    bool persists_ = false;  ///< what the file contains now does
};

}  // namespace causeway::nvmf::reservation
