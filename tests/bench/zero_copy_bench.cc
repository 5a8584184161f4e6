// SPDX-License-Identifier: Apache-2.0
// What MSG_ZEROCOPY saves a sender, and whether the kernel has copied all the same: over loopback, or to whoever reads
// at an address.

#include <arpa/inet.h>
#include <cerrno>
#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <linux/errqueue.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>
#include <vector>

#ifndef SO_ZEROCOPY
#define SO_ZEROCOPY 60
#endif

namespace {

[[noreturn]] void die(const char* what) {
    std::perror(what);
    std::exit(1);
}

double thread_cpu_seconds() {
    timespec t;
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
}

struct tally {
    std::uint32_t done = 0, copied = 0;
};

/// Completions that the kernel has put into the socket's error queue.
void take_completions(int fd, tally& t) {
    for (;;) {
        char control[128];
        msghdr m{};
        m.msg_control = control;
        m.msg_controllen = sizeof control;
        if (::recvmsg(fd, &m, MSG_ERRQUEUE | MSG_DONTWAIT) < 0)
            return;
        for (cmsghdr* c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
            sock_extended_err e;
            std::memcpy(&e, CMSG_DATA(c), sizeof e);
            if (e.ee_origin != SO_EE_ORIGIN_ZEROCOPY)
                continue;
            const std::uint32_t n = e.ee_data - e.ee_info + 1;
            t.done += n;
            if (e.ee_code & SO_EE_CODE_ZEROCOPY_COPIED)
                t.copied += n;
        }
    }
}

/// Sends `count` times `size` bytes, from as many buffers as a busy core has; prints what each has cost.
void run(int fd, std::size_t size, unsigned count, bool zero_copy) {
    const std::vector<char> buffers(size * 64, 'x');
    const int yes = 1;
    if (zero_copy && ::setsockopt(fd, SOL_SOCKET, SO_ZEROCOPY, &yes, sizeof yes) != 0)
        die("SO_ZEROCOPY");
    tally t;
    std::uint32_t calls = 0;
    const double begin = thread_cpu_seconds();
    for (unsigned i = 0; i < count; ++i) {
        const char* at = buffers.data() + i % 64 * size;
        for (std::size_t left = size; left;) {
            const ssize_t n = ::send(fd, at, left, MSG_NOSIGNAL | (zero_copy ? MSG_ZEROCOPY : 0));
            if (n < 0 && errno == ENOBUFS) {  // too many that are not over
                take_completions(fd, t);
                continue;
            }
            if (n < 0)
                die("send");
            ++calls;
            at += n;
            left -= static_cast<std::size_t>(n);
        }
        if (zero_copy && i % 16 == 15)
            take_completions(fd, t);
    }
    while (zero_copy && t.done < calls) {
        pollfd p{.fd = fd, .events = 0, .revents = 0};
        ::poll(&p, 1, 1000);
        take_completions(fd, t);
    }
    const double each = (thread_cpu_seconds() - begin) / count * 1e6;
    std::printf("%8zu bytes, %-9s %8.2f us of CPU per send", size, zero_copy ? "zero copy" : "copying", each);
    if (zero_copy)
        std::printf(", of which the kernel copied %.0f %%", 100.0 * t.copied / calls);
    std::printf("\n");
}

}  // namespace

int main(int argc, char** argv) {
    std::string address;
    std::uint16_t port = 9;
    unsigned count = 20000;
    CLI::App app("CPU time of a sender, with and without MSG_ZEROCOPY.");
    app.add_option("-a,--address", address, "IPv4 address of a receiver; by default, this process over loopback");
    app.add_option("-p,--port", port, "and the port")->capture_default_str();
    app.add_option("--count", count, "sends of each kind")->capture_default_str();
    CLI11_PARSE(app, argc, argv);

    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_port = htons(port);
    int listening = -1;
    std::thread reader;
    if (address.empty()) {
        at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        at.sin_port = 0;
        listening = ::socket(AF_INET, SOCK_STREAM, 0);
        socklen_t size = sizeof at;
        if (::bind(listening, reinterpret_cast<sockaddr*>(&at), size) != 0 || ::listen(listening, 1) != 0 ||
            ::getsockname(listening, reinterpret_cast<sockaddr*>(&at), &size) != 0)
            die("listen");
        reader = std::thread([listening] {
            const int fd = ::accept(listening, nullptr, nullptr);
            std::vector<char> sink(1 << 20);
            while (::recv(fd, sink.data(), sink.size(), 0) > 0) {
            }
            ::close(fd);
        });
    } else if (::inet_pton(AF_INET, address.c_str(), &at.sin_addr) != 1) {
        std::fprintf(stderr, "zero_copy_bench: not an IPv4 address: %s\n", address.c_str());
        return 2;
    }
    const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
    if (::connect(fd, reinterpret_cast<const sockaddr*>(&at), sizeof at) != 0)
        die("connect");
    for (const std::size_t size : {std::size_t{4096}, std::size_t{16384}, std::size_t{131072}})
        for (const bool zero_copy : {false, true})
            run(fd, size, count, zero_copy);
    ::close(fd);
    if (reader.joinable())
        reader.join();
    return 0;
}
