// SPDX-License-Identifier: Apache-2.0
#include "tests/softrdma/verbs/peer.h"

#include "tests/softrdma/unix_address.h"
#include "tests/softrdma/verbs/process.h"

#include <array>
#include <cstring>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace softrdma {

namespace {

std::mutex known_mutex;
auto& known = *new std::unordered_map<std::uint64_t, std::weak_ptr<peer>>;

/// The memory descriptor that a process gives to a peer that connects; -1 if it does not answer.
int ask(std::uint64_t instance) {
    const unix_address door(process::door(instance));
    if (!door.valid())
        return -1;
    const int fd = ::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    const timeval patience{1, 0};
    ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    ::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    int received = -1;
    if (::connect(fd, door.get(), door.size()) == 0) {
        char byte;
        iovec data{&byte, 1};
        alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof received)> space{};
        msghdr message{};
        message.msg_iov = &data;
        message.msg_iovlen = 1;
        message.msg_control = space.data();
        message.msg_controllen = space.size();
        if (::recvmsg(fd, &message, MSG_CMSG_CLOEXEC) == 1)
            if (const cmsghdr* header = CMSG_FIRSTHDR(&message); header && header->cmsg_type == SCM_RIGHTS)
                std::memcpy(&received, CMSG_DATA(header), sizeof received);
    }
    ::close(fd);
    return received;
}

segment* map(int fd, std::uint64_t instance) {
    struct stat status;
    if (::fstat(fd, &status) != 0 || static_cast<std::uint64_t>(status.st_size) < sizeof(segment))
        return nullptr;
    const auto size = static_cast<std::uint64_t>(status.st_size);
    void* mapped = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
    if (mapped == MAP_FAILED)
        return nullptr;
    auto* memory = static_cast<segment*>(mapped);
    if (memory->magic == segment::magic_word && memory->instance == instance && memory->size == size)
        return memory;
    ::munmap(mapped, size);
    return nullptr;
}

}  // namespace

std::shared_ptr<peer> peer::find(const ibv_gid& gid) {
    const std::uint64_t instance = instance_of(gid);
    if (instance == 0)
        return nullptr;
    std::lock_guard hold(known_mutex);
    if (auto p = known[instance].lock(); p && !p->dead())
        return p;
    std::erase_if(known, [](const auto& entry) { return entry.second.expired(); });
    process& own = process::self();
    std::shared_ptr<peer> found;
    if (own.memory().instance == instance) {
        found.reset(new peer(&own.memory(), true));
    } else {
        const int fd = ask(instance);
        if (fd < 0)
            return nullptr;
        segment* memory = map(fd, instance);
        ::close(fd);
        if (!memory)
            return nullptr;
        found.reset(new peer(memory, false));
        found->pidfd_ = static_cast<int>(::syscall(SYS_pidfd_open, memory->pid, 0));
        found->wake_fd_ = found->duplicate(memory->wake_fd);
    }
    known[instance] = found;
    return found;
}

peer::~peer() {
    if (self_)
        return;
    for (const auto& [channel, c] : channels_)
        ::close(c.fd);
    for (const int fd : {wake_fd_, pidfd_})
        if (fd >= 0)
            ::close(fd);
    ::munmap(segment_, segment_->size);
}

bool peer::look_alive() {
    pollfd p{pidfd_, POLLIN, 0};
    if (!self_ && ::poll(&p, 1, 0) != 0)
        dead_.store(true, std::memory_order_relaxed);
    return !dead();
}

int peer::duplicate(int their_fd) {
    return static_cast<int>(::syscall(SYS_pidfd_getfd, pidfd_, their_fd, 0));
}

int peer::finish(ssize_t moved, std::size_t wanted) {
    if (moved == static_cast<ssize_t>(wanted))
        return 0;
    if (moved >= 0)
        return EFAULT;
    if (errno == ESRCH)
        dead_.store(true, std::memory_order_relaxed);
    return errno;
}

namespace {

std::size_t bytes(std::span<const iovec> pieces) {
    std::size_t sum = 0;
    for (const iovec& p : pieces)
        sum += p.iov_len;
    return sum;
}

void copy(std::span<const iovec> to, std::span<const iovec> from) {
    std::size_t done_to = 0;
    auto target = to.begin();
    for (const iovec& source : from) {
        for (std::size_t done = 0; done < source.iov_len;) {
            while (target->iov_len == done_to) {
                ++target;
                done_to = 0;
            }
            const std::size_t n = std::min(source.iov_len - done, target->iov_len - done_to);
            std::memcpy(static_cast<std::byte*>(target->iov_base) + done_to,
                        static_cast<const std::byte*>(source.iov_base) + done, n);
            done += n;
            done_to += n;
        }
    }
}

}  // namespace

int peer::write(std::span<const iovec> ours, std::span<const iovec> theirs) {
    if (self_) {
        copy(theirs, ours);
        return 0;
    }
    if (dead())
        return ESRCH;
    return finish(::process_vm_writev(segment_->pid, ours.data(), ours.size(), theirs.data(), theirs.size(), 0),
                  bytes(ours));
}

int peer::read(std::span<const iovec> ours, std::span<const iovec> theirs) {
    if (self_) {
        copy(ours, theirs);
        return 0;
    }
    if (dead())
        return ESRCH;
    return finish(::process_vm_readv(segment_->pid, ours.data(), ours.size(), theirs.data(), theirs.size(), 0),
                  bytes(theirs));
}

void peer::wake_engine() {
    if (segment_->attention.exchange(1) != 0)
        return;
    if (self_)
        return process::self().work().wake();
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto n = ::write(wake_fd_, &one, sizeof one);
}

void peer::raise(shared_channel& channel) {
    const std::uint64_t one = 1;
    int fd = channel.fd;
    if (!self_) {
        const std::uint32_t generation = channel.generation.load(std::memory_order_acquire);
        std::lock_guard hold(channels_mutex_);
        auto [it, is_new] = channels_.try_emplace(&channel, channel_fd{generation, -1});
        if (is_new || it->second.generation != generation) {
            if (it->second.fd >= 0)
                ::close(it->second.fd);
            it->second = {generation, duplicate(channel.fd)};
        }
        fd = it->second.fd;
    }
    [[maybe_unused]] const auto n = ::write(fd, &one, sizeof one);
}

ibv_gid make_gid(std::uint64_t instance, std::uint32_t device) noexcept {
    // A unique local address, RFC 4193.
    ibv_gid gid{{0xfd, 0x5f, 0, static_cast<std::uint8_t>(device)}};
    std::memcpy(gid.raw + 8, &instance, sizeof instance);
    return gid;
}

std::uint64_t instance_of(const ibv_gid& gid) noexcept {
    const ibv_gid pattern = make_gid(0, device_of(gid));
    std::uint64_t instance = 0;
    if (std::memcmp(pattern.raw, gid.raw, 8) == 0)
        std::memcpy(&instance, gid.raw + 8, sizeof instance);
    return instance;
}

std::uint32_t device_of(const ibv_gid& gid) noexcept {
    return gid.raw[3];
}

}  // namespace softrdma
