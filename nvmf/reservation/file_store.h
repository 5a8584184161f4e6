// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "nvmf/reservation/file_threads.h"
#include "nvmf/reservation/store.h"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace causeway::nvmf::reservation {

/// What a store does to its file. Each blocks.
struct file_operations {
    /// nullopt: there is no such file, and one can be made there.
    std::function<core::result<std::optional<std::string>>(const std::string& path)> read;
    /// Ends when the new content is on the medium under this name. `replaced`: it is there under this name, even if
    /// that could not be made sure of.
    std::function<core::result<>(const std::string& path, std::string_view text, bool& replaced)> replace;
};
file_operations local_files();

/// A reservation in a local file, for a device that no other gateway has. The file is replaced as a whole, so that a
/// crash leaves the old one or the new one. It is written only while the reservation persists (PTPL).
///
/// Files are read and written on `file_threads`. What was not written in time may be written later: until it is known
/// whether it was, every operation fails with EBUSY.
class file_store final : public store {
  public:
    file_store(std::shared_ptr<file_threads> threads, bdev::uuid device, std::string path,
               file_operations files = local_files());

    bool can_persist() const noexcept override { return true; }
    /// EINVAL: the file contains something else, or is about another device. ETIMEDOUT, EBUSY: its file system hangs.
    /// Errors of the file system.
    core::task<core::result<version>> load() override;
    core::task<core::result<std::uint64_t>> replace(std::uint64_t expected, state next) override;

  private:
    struct writing;
    core::result<> settle();

    const std::shared_ptr<file_threads> threads_;
    const bdev::uuid device_;
    const std::string path_;
    const file_operations files_;
    version kept_;                      ///< what is stored; if it persists, the file contains it
    bool loaded_ = false;               ///< what the file contained at first is known
    std::shared_ptr<writing> writing_;  ///< begun, and what became of it has not been taken note of
};

/// As make_local_store(), with files that are read and written on `threads`.
std::unique_ptr<store> make_local_store_on(std::shared_ptr<file_threads> threads, const bdev::device& device,
                                           const std::string& file);

}  // namespace causeway::nvmf::reservation
