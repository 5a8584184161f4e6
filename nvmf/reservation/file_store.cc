// SPDX-License-Identifier: Apache-2.0
#include "nvmf/reservation/file_store.h"

#include "core/unique_fd.h"
#include "nvmf/reservation/file_text.h"
#include "nvmf/reservation/memory_store.h"

#include <cerrno>
#include <fcntl.h>
#include <optional>
#include <sys/stat.h>
#include <unistd.h>

namespace causeway::nvmf::reservation {

namespace {

constexpr std::size_t max_file_bytes = 1 << 20;  // three times as long as the longest that is written

std::string folder_of(const std::string& path) {
    const auto slash = path.rfind('/');
    if (slash == std::string::npos)
        return ".";
    return slash == 0 ? "/" : path.substr(0, slash);
}

/// nullopt: there is no such file, and one can be made there.
core::result<std::optional<std::string>> read_file(const std::string& path) {
    // Without O_NONBLOCK, a FIFO under this name would block for ever.
    const core::unique_fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    if (!file && errno != ENOENT)
        return core::fail_errno(errno, path);
    if (!file)
        return ::access(folder_of(path).c_str(), W_OK | X_OK) == 0
                   ? core::result<std::optional<std::string>>(std::nullopt)
                   : core::fail(errno, "no file can be made in this folder: make the folder, or name another file",
                                folder_of(path));
    struct stat about {};
    if (::fstat(file.get(), &about) != 0)
        return core::fail_errno(errno, path);
    if (!S_ISREG(about.st_mode) || static_cast<std::uint64_t>(about.st_size) > max_file_bytes)
        return core::fail(EINVAL, "it is not a reservation file: name another file", path);
    std::string text(static_cast<std::size_t>(about.st_size), '\0');
    std::size_t have = 0;
    while (have < text.size()) {
        const auto n = ::read(file.get(), text.data() + have, text.size() - have);
        if (n < 0)
            return core::fail_errno(errno, path);
        if (n == 0)
            break;
        have += static_cast<std::size_t>(n);
    }
    text.resize(have);
    return std::optional(std::move(text));
}

bool write_all(int fd, std::string_view text) {
    while (!text.empty()) {
        const auto n = ::write(fd, text.data(), text.size());
        if (n < 0)
            return false;
        text.remove_prefix(static_cast<std::size_t>(n));
    }
    return true;
}

/// Ends when the new content is on the medium under this name.
core::result<> replace_file(const std::string& path, std::string_view text) {
    const std::string fresh = path + ".new";
    ::unlink(fresh.c_str());  // what a crash has left
    core::unique_fd file(::open(fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (!file || !write_all(file.get(), text) || ::fsync(file.get()) != 0)
        return core::fail_errno(errno, fresh);
    file.reset();
    if (::rename(fresh.c_str(), path.c_str()) != 0)
        return core::fail_errno(errno, path);
    const core::unique_fd folder(::open(folder_of(path).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!folder || ::fsync(folder.get()) != 0)
        return core::fail_errno(errno, folder_of(path));
    return {};
}

}  // namespace

file_store::file_store(core::reactor_group& group, bdev::uuid device, std::string path)
    : group_(group), device_(device), path_(std::move(path)) {}

core::task<core::result<store::version>> file_store::load() {
    auto text = co_await core::run_blocking(group_, [this] { return read_file(path_); });
    if (!text)
        co_return tl::make_unexpected(std::move(text.error()));
    version v{.number = number_};
    if (*text) {
        auto read = from_file_text(**text, device_);
        if (!read)
            co_return core::fail(read.error().code,
                                 read.error().sentence +
                                     ". Restore it, name another file, or remove it to begin without registrants",
                                 path_);
        v.state = std::move(*read);
    }
    persists_ = v.state.persists;
    co_return v;
}

core::task<core::result<std::uint64_t>> file_store::replace(std::uint64_t expected, state next) {
    if (expected != number_)
        co_return core::fail(ESTALE, "the reservation has changed meanwhile", path_);
    if (next.persists || persists_) {
        const std::string text = to_file_text(next, device_);
        const auto written = co_await core::run_blocking(group_, [&] { return replace_file(path_, text); });
        if (!written)
            co_return tl::make_unexpected(written.error());
        persists_ = next.persists;
    }
    co_return ++number_;
}

std::unique_ptr<store> make_local_store(core::reactor_group& group, const bdev::device& device,
                                        const std::string& file) {
    if (file.empty())
        return std::make_unique<memory_store>();
    return std::make_unique<file_store>(group, device.id(), file);
}

}  // namespace causeway::nvmf::reservation
