// SPDX-License-Identifier: Apache-2.0
#include "gateway/file_system.h"

#include "core/unique_fd.h"

#include <cerrno>
#include <cstdio>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace causeway::gateway {

namespace {

class posix final : public file_system {
  public:
    core::result<std::optional<std::string>> read(const std::string& path) override {
        // Without O_NONBLOCK, a FIFO under this name would block for ever.
        const core::unique_fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
        if (!file && errno == ENOENT)
            return std::optional<std::string>();
        struct stat about {};
        if (!file || ::fstat(file.get(), &about) != 0)
            return core::fail_errno(errno, path);
        if (!S_ISREG(about.st_mode))
            return core::fail(EINVAL, "it is not a plain file", path);
        std::string content;
        char piece[1 << 16];
        for (;;) {
            const auto n = ::read(file.get(), piece, sizeof piece);
            if (n < 0)
                return core::fail_errno(errno, path);
            if (n == 0)
                return std::optional(std::move(content));
            content.append(piece, static_cast<std::size_t>(n));
        }
    }

    core::result<> write_synced(const std::string& path, std::string_view content) override {
        core::unique_fd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
        if (!file)
            return core::fail_errno(errno, path);
        while (!content.empty()) {
            const auto n = ::write(file.get(), content.data(), content.size());
            if (n < 0)
                return core::fail_errno(errno, path);
            content.remove_prefix(static_cast<std::size_t>(n));
        }
        if (::fsync(file.get()) != 0)
            return core::fail_errno(errno, path);
        return {};
    }

    core::result<> rename(const std::string& from, const std::string& to) override {
        if (std::rename(from.c_str(), to.c_str()) != 0)
            return core::fail_errno(errno, to);
        return {};
    }

    core::result<> sync_folder(const std::string& folder) override {
        const core::unique_fd fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        if (!fd || ::fsync(fd.get()) != 0)
            return core::fail_errno(errno, folder);
        return {};
    }
};

}  // namespace

file_system& posix_file_system() {
    static posix system;
    return system;
}

}  // namespace causeway::gateway
