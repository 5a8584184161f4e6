// SPDX-License-Identifier: Apache-2.0
#include "ceph/client_file.h"

#include <algorithm>
#include <array>
#include <fcntl.h>
#include <sstream>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

namespace causeway::ceph {

namespace {

constexpr const char* heading =
    "# Ceph clients of a causewayd. When it is dead, the next one puts them on the blocklist.\n";

bool same_file(int fd, const std::string& path) {
    struct stat mine {};
    struct stat there {};
    return ::fstat(fd, &mine) == 0 && ::stat(path.c_str(), &there) == 0 && mine.st_ino == there.st_ino &&
           mine.st_dev == there.st_dev;
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

std::vector<std::string> of_cluster(const std::vector<client_file::entry>& all, const std::string& fsid) {
    std::vector<std::string> addresses;
    for (const client_file::entry& e : all)
        if (e.fsid == fsid)
            addresses.push_back(e.addresses);
    return addresses;
}

}  // namespace

core::result<std::shared_ptr<client_file>> client_file::open(std::string path) {
    std::shared_ptr<client_file> file(new client_file(std::move(path)));
    if (auto taken = file->take_over(); !taken)
        return tl::make_unexpected(taken.error());
    return file;
}

client_file::~client_file() = default;

core::result<> client_file::take_over() {
    for (;;) {
        locked_.reset(::open(path_.c_str(), O_RDONLY | O_CLOEXEC));
        if (!locked_)
            return errno == ENOENT ? core::result<>() : core::result<>(core::fail_errno(errno, path_));
        if (::flock(locked_.get(), LOCK_EX | LOCK_NB) != 0)
            return core::fail(EBUSY, "the gateway that keeps its Ceph clients there is alive", path_);
        if (same_file(locked_.get(), path_)) {
            read(locked_.get());
            return {};
        }
        locked_.reset();  // replaced in between
    }
}

void client_file::read(int fd) {
    std::string text;
    std::array<char, 4096> part;
    for (ssize_t n; (n = ::read(fd, part.data(), part.size())) > 0;)
        text.append(part.data(), static_cast<std::size_t>(n));
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
        std::istringstream words(line);
        entry e;
        if (!line.starts_with('#') && words >> e.fsid >> e.addresses) {
            had_predecessors_.push_back(e.fsid);
            predecessors_.push_back(std::move(e));
        }
    }
}

/// Replaces the file by one that is locked before it has its name.
core::result<> client_file::write() {
    if (own_.empty() && predecessors_.empty()) {
        ::unlink(path_.c_str());
        locked_.reset();
        return {};
    }
    std::string text = heading;
    for (const auto* list : {&predecessors_, &own_})
        for (const entry& e : *list)
            text += e.fsid + " " + e.addresses + "\n";

    const std::string next = path_ + ".new";
    core::unique_fd fd(::open(next.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    if (!fd)
        return core::fail_errno(errno, next);
    if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0 || !write_all(fd.get(), text) || ::fdatasync(fd.get()) != 0 ||
        ::rename(next.c_str(), path_.c_str()) != 0)
        return core::fail_errno(errno, next);
    locked_ = std::move(fd);
    return {};
}

core::result<> client_file::add(entry client) {
    const std::lock_guard lock(mutex_);
    own_.push_back(std::move(client));
    return write();
}

void client_file::remove(const entry& client) {
    const std::lock_guard lock(mutex_);
    std::erase(own_, client);
    (void)write();  // what stays there is fenced in vain one day
}

std::vector<std::string> client_file::predecessors(const std::string& fsid) const {
    const std::lock_guard lock(mutex_);
    return of_cluster(predecessors_, fsid);
}

std::vector<std::string> client_file::fenced_predecessors(const std::string& fsid) const {
    const std::lock_guard lock(mutex_);
    return of_cluster(fenced_, fsid);
}

core::result<> client_file::fenced(const entry& predecessor) {
    const std::lock_guard lock(mutex_);
    std::erase(predecessors_, predecessor);
    fenced_.push_back(predecessor);
    return write();
}

bool client_file::had_predecessors(const std::string& fsid) const {
    return std::ranges::find(had_predecessors_, fsid) != had_predecessors_.end();
}

std::mutex& client_file::fencing(const std::string& fsid) {
    const std::lock_guard lock(mutex_);
    return fencing_[fsid];
}

}  // namespace causeway::ceph
