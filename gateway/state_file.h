// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/result.h"
#include "core/unique_fd.h"
#include "gateway/file_system.h"

#include <optional>
#include <string>
#include <string_view>

namespace causeway::gateway {

/// The configuration that a gateway keeps: FOLDER/config.json. Its first line is a header, {"causeway_state": FORMAT,
/// "version": OF_THE_PROGRAM, "bytes": N, "xxh64": HEX}; the rest, N bytes, is a configuration as `--json` takes it.
///
/// A loss of power leaves the last configuration that was stored, or the one before if storing had not ended.
class state_file {
  public:
    /// What this program writes. It reads formats up to this one.
    static constexpr unsigned format = 1;

    state_file(file_system& files, std::string folder) : files_(&files), folder_(std::move(folder)) {}

    std::string path() const { return folder_ + "/config.json"; }
    /// nullopt: nothing has been stored yet. EINVAL: it is damaged, or newer than this program. Blocks.
    core::result<std::optional<std::string>> load() const;
    /// Ends when it is stored for good. Any thread, one at a time. Blocks.
    core::result<> store(std::string_view configuration) const;

  private:
    file_system* files_;
    std::string folder_;
};

/// A folder for the state of one gateway, made where it is missing and locked while this lives.
class state_folder {
  public:
    /// EBUSY: another process has it. Blocks.
    static core::result<state_folder> open(std::string path);

    const state_file& file() const noexcept { return file_; }

  private:
    state_folder(core::unique_fd lock, state_file file) : lock_(std::move(lock)), file_(std::move(file)) {}

    core::unique_fd lock_;
    state_file file_;
};

}  // namespace causeway::gateway
