// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/result.h"

#include <optional>
#include <string>
#include <string_view>

namespace causeway::gateway {

/// The operations by which a file is replaced. A seam: tests put a disk here that loses power. All of them block.
class file_system {
  public:
    virtual ~file_system() = default;

    /// The whole content; nullopt: there is no such file.
    virtual core::result<std::optional<std::string>> read(const std::string& path) = 0;
    /// Makes the file, or replaces its content, and ends when the content is on the medium. The name may not be yet.
    virtual core::result<> write_synced(const std::string& path, std::string_view content) = 0;
    /// `to` is replaced. Which of the two files has the name after a loss of power is open until sync_folder().
    virtual core::result<> rename(const std::string& from, const std::string& to) = 0;
    /// Ends when the names in this folder are on the medium.
    virtual core::result<> sync_folder(const std::string& folder) = 0;
};

/// The operating system's.
file_system& posix_file_system();

}  // namespace causeway::gateway
