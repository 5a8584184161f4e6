// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/testing/core_fixture.h"
#include "host/tcp_queue_pair.h"

#include <algorithm>
#include <cstring>
#include <gtest/gtest.h>
#include <memory>
#include <optional>
#include <string>
#include <sys/socket.h>
#include <unistd.h>
#include <vector>

/// A queue pair whose controller is a test: the test sends any bytes, and sees the bytes that were sent.
namespace causeway::host::testing {

using bytes = std::vector<std::uint8_t>;

inline bytes operator+(bytes a, const bytes& b) {
    a.insert(a.end(), b.begin(), b.end());
    return a;
}
inline bytes padded(bytes b, std::size_t size) {
    b.resize(size);
    return b;
}
inline bytes le(std::uint64_t v, unsigned n) {
    bytes b;
    for (unsigned i = 0; i < n; ++i)
        b.push_back(static_cast<std::uint8_t>(v >> 8 * i));
    return b;
}

// What a controller sends, after the specification's tables.

inline bytes ic_resp(std::uint8_t cpda = 0, std::uint8_t dgst = 0, std::uint32_t maxh2cdata = 4096) {
    return padded(bytes{0x01, 0, 128, 0, 128, 0, 0, 0, 0, 0, cpda, dgst} + le(maxh2cdata, 4), 128);
}
inline bytes capsule_resp(std::uint16_t cid, std::uint16_t status = 0, std::uint8_t flags = 0) {
    const std::uint8_t plen = flags ? 28 : 24;
    return bytes{0x05, flags, 24, 0, plen, 0, 0, 0} + le(0x1122334455667788, 8) + le(0xffff, 2) + le(0, 2) +
           le(cid, 2) + le(status << 1, 2);
}
inline bytes c2h_header(std::uint16_t cid, std::uint32_t offset, std::uint32_t length, std::uint8_t flags,
                        std::uint32_t plen = 0, std::uint8_t pdo = 24) {
    return bytes{0x07, flags, 24, pdo} + le(plen ? plen : 24 + length, 4) + le(cid, 2) + le(0, 2) + le(offset, 4) +
           le(length, 4) + le(0, 4);
}
inline bytes r2t(std::uint16_t cid, std::uint16_t ttag, std::uint32_t offset, std::uint32_t length) {
    return bytes{0x09, 0, 24, 0, 24, 0, 0, 0} + le(cid, 2) + le(ttag, 2) + le(offset, 4) + le(length, 4) + le(0, 4);
}
inline bytes digest(const bytes& of) {
    tcp::crc32c sum;
    sum.add(std::as_bytes(std::span(of)));
    return le(sum.value(), 4);
}

constexpr std::uint8_t last = nvme::tcp_last_pdu, success = nvme::tcp_last_pdu | nvme::tcp_success;

/// A request with memory for its data.
struct command : request {
    explicit command(nvme::io_opcode opcode, std::size_t size = 0, std::size_t pieces = 1) : memory(size) {
        request::command.opcode = nvme::to_underlying(opcode);
        request::command.nsid = 1;
        const std::size_t each = size / pieces;
        for (std::size_t i = 0; i < pieces && size; ++i)
            parts.push_back({memory.data() + i * each, i + 1 < pieces ? each : size - i * each});
        data = parts;
        done = [](request& r) noexcept { ++static_cast<command&>(r).times_done; };
    }
    bytes memory;
    std::vector<iovec> parts;
    unsigned times_done = 0;
};

class scripted_peer {
  public:
    explicit scripted_peer(queue_pair_options o = {.qid = 1, .depth = 4, .in_capsule_data = 64}, tcp_options t = {},
                           int buffer = 0) {
        int ends[2];
        EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
        if (buffer)
            ::setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &buffer, sizeof buffer);
        peer = ends[1];
        on_core([&] {
            q = std::make_unique<tcp_queue_pair>(tcp::make_plain_stream(ends[0]), o, t);
            q->on_lost = [this] { ++times_lost; };
            core::detach(static_cast<tcp_queue_pair&>(*q).initialize(), [this](core::result<> r) { greeted = r; });
        });
        turns();
    }
    ~scripted_peer() {
        on_core([&] { q->close(); });  // and the task that waits for ICResp continues
        on_core([&] { q.reset(); });
        ::close(peer);
    }

    void on_core(std::function<void()> f) {
        cores[0].execute(std::move(f));
        cores[0].turn();
    }
    /// As many as it takes to have handled all that has come: descriptors are looked at each half millisecond.
    void turns() {
        for (int i = 0; i < 4; ++i)
            cores.turn_after(std::chrono::milliseconds(1));
    }
    bool submit(command& c) {
        bool taken = false;
        on_core([&] { taken = q->submit(c); });
        return taken;
    }
    void say(const bytes& b) {
        EXPECT_EQ(::send(peer, b.data(), b.size(), MSG_NOSIGNAL), static_cast<ssize_t>(b.size()));
        turns();
    }
    /// All that was sent since the last time.
    bytes heard() {
        bytes all(1 << 20);
        std::size_t n = 0;
        for (ssize_t got; (got = ::recv(peer, all.data() + n, all.size() - n, 0)) > 0;)
            n += static_cast<std::size_t>(got);
        all.resize(n);
        return all;
    }
    /// As far as a host that is ready.
    void greet(const bytes& resp = ic_resp()) {
        heard();
        say(resp);
        ASSERT_TRUE(greeted.has_value());
        ASSERT_TRUE(greeted->has_value()) << greeted->error().text();
    }

    core::test::manual_reactors cores{1};
    std::unique_ptr<queue_pair> q;
    int peer;
    std::optional<core::result<>> greeted;
    unsigned times_lost = 0;
};

/// H2CTermReq: its FES and FEI; nothing where something else was sent, or nothing.
struct termination {
    std::uint16_t fes;
    std::uint32_t fei;
    bool operator==(const termination&) const = default;
};
inline std::optional<termination> termination_in(const bytes& b) {
    if (b.size() < sizeof(nvme::tcp_term_req) || b[0] != 0x02)
        return std::nullopt;
    nvme::tcp_term_req t;
    std::memcpy(&t, b.data(), sizeof t);
    if (t.common.plen != b.size() || t.common.hlen != sizeof t || t.common.pdo != 0)
        return std::nullopt;
    return termination{t.fes, t.fei};
}

}  // namespace causeway::host::testing
