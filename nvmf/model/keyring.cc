// SPDX-License-Identifier: Apache-2.0
#include "nvmf/model/keyring.h"

#include "core/unique_fd.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace causeway::nvmf {

namespace {

/// Bytes. Keys in their interchange formats have about a hundred.
constexpr std::size_t longest = 1024;
/// How the interchange formats begin: a TLS PSK, a DH-HMAC-CHAP secret.
constexpr std::string_view formats[] = {"NVMeTLSkey-1:", "DHHC-1:"};

std::string_view text_of(const core::secret& s) {
    return {reinterpret_cast<const char*>(s.data()), s.size()};
}

core::result<core::secret> read_file(const std::string& path) {
    if (!path.starts_with('/'))
        return core::fail(EINVAL, "the path of a key must be absolute", path);
    // Opening a pipe would wait for its other end.
    const core::unique_fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    struct stat s {};
    if (!file || ::fstat(file.get(), &s) != 0)
        return core::fail_errno(errno, path);
    if (!S_ISREG(s.st_mode))
        return core::fail(EINVAL, "not a plain file", path);
    if (s.st_mode & (S_IRWXG | S_IRWXO))
        return core::fail(EPERM, "a key's file is its owner's alone (mode 0600)", path);
    core::secret content(longest + 1);
    const ssize_t n = ::read(file.get(), content.data(), content.size());
    if (n < 0)
        return core::fail_errno(errno, path);
    if (static_cast<std::size_t>(n) > longest)
        return core::fail(EINVAL, "too long for a key", path);
    content.resize(static_cast<std::size_t>(n));
    while (!content.empty() && (content.back() == '\n' || content.back() == '\r'))
        content.pop_back();
    if (content.empty())
        return core::fail(EINVAL, "there is no key in the file", path);
    // Whoever gets the key looks at the rest: only then is it known what the key is for.
    if (!std::ranges::any_of(formats, [&](std::string_view f) { return text_of(content).starts_with(f); }))
        return core::fail(EINVAL, "it holds no key: make one with nvme gen-tls-key or nvme gen-dhchap-key", path);
    return content;
}

}  // namespace

core::result<> keyring::add_file(const std::string& name, const std::string& path) {
    if (name.empty())
        return core::fail(EINVAL, "a key needs a name");
    if (find(name))
        return core::fail(EEXIST, "there is a key of this name", name);
    auto content = read_file(path);
    if (!content)
        return tl::make_unexpected(std::move(content.error()));
    keys_.push_back(std::make_shared<const key>(key{name, path, std::move(*content)}));
    return {};
}

core::result<> keyring::remove(std::string_view name) {
    const auto it = std::ranges::find(keys_, name, [](const auto& k) { return std::string_view(k->name); });
    if (it == keys_.end())
        return core::fail(ENOKEY, "there is no key of this name", name);
    std::erase_if(removed_, [](const auto& k) { return k.expired(); });
    removed_.push_back(*it);
    keys_.erase(it);
    return {};
}

std::shared_ptr<const key> keyring::find(std::string_view name) const noexcept {
    const auto it = std::ranges::find(keys_, name, [](const auto& k) { return std::string_view(k->name); });
    return it == keys_.end() ? nullptr : *it;
}

std::vector<keyring::listed> keyring::all() const {
    std::vector<listed> list;
    for (const auto& k : keys_) {
        const long uses = k.use_count();
        list.push_back({k, false, uses});
    }
    for (const auto& k : removed_)
        if (const long uses = k.use_count(); uses > 0)
            list.push_back({k.lock(), true, uses});
    return list;
}

}  // namespace causeway::nvmf
