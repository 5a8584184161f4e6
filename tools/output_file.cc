// SPDX-License-Identifier: Apache-2.0
#include "tools/output_file.h"

#include "core/unique_fd.h"

#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <optional>
#include <sys/stat.h>
#include <unistd.h>

namespace causeway::tools {

namespace {

/// 0, or an errno value.
int write_all(int fd, const std::string& text) {
    for (std::size_t written = 0; written < text.size();) {
        const ssize_t n = ::write(fd, text.data() + written, text.size() - written);
        if (n < 0 && errno != EINTR)
            return errno;
        written += n > 0 ? static_cast<std::size_t>(n) : 0;
    }
    return 0;
}

int write_in_place(const std::string& path, const std::string& text) {
    const core::unique_fd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_NOCTTY | O_CLOEXEC, 0666));
    return fd ? write_all(fd.get(), text) : errno;
}

mode_t usual_mode() {
    const mode_t mask = ::umask(0);
    ::umask(mask);
    return 0666 & ~mask;
}

/// `before`: what has the name, if anything has.
int replace(const std::string& path, const std::string& text, const std::optional<struct stat>& before) {
    std::string beside = path + ".XXXXXX";
    const core::unique_fd fd(::mkostemp(beside.data(), O_CLOEXEC));
    if (!fd)
        return errno;
    int why = write_all(fd.get(), text);
    // The owner first: a change of it may take permissions away. Only root can give files away; others keep theirs.
    if (why == 0 && before && ::fchown(fd.get(), before->st_uid, before->st_gid) != 0 && errno != EPERM)
        why = errno;
    if (why == 0 && ::fchmod(fd.get(), before ? before->st_mode & 07777 : usual_mode()) != 0)
        why = errno;
    if (why == 0 && (::fsync(fd.get()) != 0 || ::rename(beside.c_str(), path.c_str()) != 0))
        why = errno;
    if (why != 0)
        ::unlink(beside.c_str());
    return why;
}

int write_to(const std::string& path, const std::string& text) {
    struct stat there {};
    if (::stat(path.c_str(), &there) != 0) {
        const bool is_link_to_nothing = ::lstat(path.c_str(), &there) == 0;
        return is_link_to_nothing ? write_in_place(path, text) : replace(path, text, std::nullopt);
    }
    if (!S_ISREG(there.st_mode))
        return write_in_place(path, text);
    char* const target = ::realpath(path.c_str(), nullptr);
    if (!target)
        return errno;
    const std::string canonical = target;
    std::free(target);
    return replace(canonical, text, there);
}

}  // namespace

core::result<> write_output(const std::string& path, const std::string& text) {
    if (const int why = write_to(path, text); why != 0)
        return core::fail_errno(why, path);
    return {};
}

}  // namespace causeway::tools
