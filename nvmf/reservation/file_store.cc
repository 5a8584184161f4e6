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
#include <utility>

namespace causeway::nvmf::reservation {

namespace {

constexpr std::size_t max_file_bytes = 1 << 20;  // three times as long as the longest that is written

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

core::result<> replace_file(const std::string& path, std::string_view text, bool& replaced) {
    const std::string fresh = path + ".new";
    ::unlink(fresh.c_str());  // what a crash has left
    core::unique_fd file(::open(fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (!file || !write_all(file.get(), text) || ::fsync(file.get()) != 0)
        return core::fail_errno(errno, fresh);
    file.reset();
    if (::rename(fresh.c_str(), path.c_str()) != 0)
        return core::fail_errno(errno, path);
    replaced = true;
    const core::unique_fd folder(::open(folder_of(path).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!folder || ::fsync(folder.get()) != 0)
        return core::fail_errno(errno, folder_of(path));
    return {};
}

}  // namespace

/// A change on its way into the file. Its thread's until that has ended, then the store's.
struct file_store::writing {
    state next;
    std::string text;
    bool replaced = false;
    core::result<> outcome{};
};

file_operations local_files() {
    return {.read = read_file, .replace = replace_file};
}

file_store::file_store(std::shared_ptr<file_threads> threads, bdev::uuid device, std::string path,
                       file_operations files)
    : threads_(std::move(threads)), device_(device), path_(std::move(path)), files_(std::move(files)) {}

/// Takes note of what has become of the last change. EBUSY: that is not known yet.
core::result<> file_store::settle() {
    if (!writing_)
        return {};
    if (threads_->hangs(path_))
        return core::fail(EBUSY, "its last change has not been answered: see to its file system", path_);
    const auto last = std::exchange(writing_, nullptr);
    if (last->replaced)
        kept_ = {std::move(last->next), kept_.number + 1};
    return last->outcome;
}

core::task<core::result<store::version>> file_store::load() {
    if (auto settled = settle(); writing_)
        co_return tl::make_unexpected(std::move(settled.error()));
    if (loaded_ && !kept_.state.persists)  // it is in no file
        co_return kept_;
    const auto text = std::make_shared<core::result<std::optional<std::string>>>();
    auto read_it = [read = files_.read, path = path_, text] { *text = read(path); };
    auto done = co_await threads_->run(path_, std::move(read_it));
    if (!done)
        co_return tl::make_unexpected(std::move(done.error()));
    if (!*text)
        co_return tl::make_unexpected(std::move(text->error()));
    state now;
    if (**text) {
        auto read = from_file_text(***text, device_);
        if (!read)
            co_return core::fail(read.error().code,
                                 read.error().sentence +
                                     ". Restore it, name another file, or remove it to begin without registrants",
                                 path_);
        now = std::move(*read);
    }
    kept_.state = std::move(now);
    loaded_ = true;
    co_return kept_;
}

core::task<core::result<std::uint64_t>> file_store::replace(std::uint64_t expected, state next) {
    if (auto settled = settle(); writing_)
        co_return tl::make_unexpected(std::move(settled.error()));
    if (expected != kept_.number)
        co_return core::fail(ESTALE, "the reservation has changed meanwhile", path_);
    if (!next.persists && !kept_.state.persists) {
        kept_.state = std::move(next);
        co_return ++kept_.number;
    }
    std::string text = to_file_text(next, device_);
    const auto change = writing_ = std::make_shared<writing>();
    change->next = std::move(next);
    change->text = std::move(text);
    auto write_it = [replace = files_.replace, path = path_, change] {
        change->outcome = replace(path, change->text, change->replaced);
    };
    auto done = co_await threads_->run(path_, std::move(write_it));
    if (!done)
        co_return tl::make_unexpected(std::move(done.error()));
    auto written = settle();
    if (!written)
        co_return tl::make_unexpected(std::move(written.error()));
    co_return kept_.number;
}

std::unique_ptr<store> make_local_store(core::reactor_group& group, const bdev::device& device,
                                        const std::string& file) {
    return make_local_store_on(std::make_shared<file_threads>(group.blocking()), device, file);
}

std::unique_ptr<store> make_local_store_on(std::shared_ptr<file_threads> threads, const bdev::device& device,
                                           const std::string& file) {
    if (file.empty())
        return std::make_unique<memory_store>();
    return std::make_unique<file_store>(std::move(threads), device.id(), file);
}

}  // namespace causeway::nvmf::reservation
