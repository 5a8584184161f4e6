// SPDX-License-Identifier: Apache-2.0
#include "tests/fuzz/tcp_session.h"

#include "nvme/make_command.h"
#include "tests/fuzz/exposed.h"
#include "tests/fuzz/tcp_script.h"
#include "transport/tcp/tcp_transport.h"
#include "transport/tcp/transport.h"

#include <algorithm>
#include <arpa/inet.h>
#include <cstring>
#include <fmt/format.h>
#include <sanitizer/lsan_interface.h>
#include <sys/socket.h>
#include <unistd.h>

namespace causeway::fuzz {

struct tcp_connections_of {
    using type = common::connections<tcp::connection> tcp::tcp_transport::*;
    friend constexpr type member(tcp_connections_of);
};
struct tcp_groups_of {
    using type = common::core_groups<tcp::poll_group> tcp::tcp_transport::*;
    friend constexpr type member(tcp_groups_of);
};
template struct exposed<tcp_connections_of, &tcp::tcp_transport::connections_>;
template struct exposed<tcp_groups_of, &tcp::tcp_transport::groups_>;

namespace {

constexpr std::size_t steps_at_most = 64;
constexpr unsigned connections_at_most = 8;  // of an input: they take the most time
constexpr std::uint64_t content_period = 16, leak_period = 16384;
constexpr std::uint64_t own_block = 8000;  // beyond what seeds write; a script that finds it has to be lucky
constexpr std::size_t keepers = 3;
constexpr std::uint16_t keeper_qid = 1;  // scripts have those above it

std::uint16_t free_port() {
    const int s = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in at{};
    at.sin_family = AF_INET;
    ::inet_pton(AF_INET, gateway::address, &at.sin_addr);
    socklen_t size = sizeof at;
    if (::bind(s, reinterpret_cast<const sockaddr*>(&at), size) != 0 ||
        ::getsockname(s, reinterpret_cast<sockaddr*>(&at), &size) != 0)
        fail("no port is free");
    ::close(s);
    return ntohs(at.sin_port);
}

}  // namespace

tcp_session::tcp_session()
    : port_(free_port()),
      gateway_(
          "TCP", [](nvmf::target& t, const nvmf::transport_options& common) { return make_tcp_transport(t, {common}); },
          port_, gateway::pace::alone) {
    open_keeper();
}

std::size_t tcp_session::connections() {
    return (static_cast<tcp::tcp_transport&>(gateway_.transport()).*member(tcp_connections_of())).size();
}

/// Connected with all politeness. `qid` 0: a controller of its own.
std::unique_ptr<tcp_host> tcp_session::open(std::uint16_t qid, const tcp_host::beginning& b, std::uint8_t of) {
    auto host = std::make_unique<tcp_host>(gateway_, port_);
    ++counts_.connections;
    host->initialize(b);
    if (!gateway_.wait([&] { return host->receive() || host->closed(); }))
        fail("no answer to ICReq");
    host->connect(qid, qid == 0 ? nvme::cntlid_dynamic : kept_[of].cntlid, of);
    if (!gateway_.wait([&] { return host->receive(), host->answers || host->closed(); }))
        fail("no answer to Connect");
    return host;
}

tcp_session::kept tcp_session::open_controller(std::uint8_t host) {
    kept k{open(0, {}, host)};
    k.cntlid = static_cast<std::uint16_t>(k.admin->last() ? k.admin->last()->dw0.value() & 0xffff : 0);
    constexpr std::uint32_t enabled = 0x00460001;  // CC: EN, IOSQES 64, IOCQES 16
    if (!k.admin->call(nvme::make_property_set(nvme::property::cc, enabled)))
        fail("the keeper's controller does not begin");
    if (!gateway_.wait(
            [&] { return (k.admin->call(nvme::make_property_get(nvme::property::csts))->dw0.value() & 1) != 0; }))
        fail("the keeper's controller is not ready");
    return k;
}

void tcp_session::open_keeper() {
    io_.reset();
    for (std::uint8_t host = 0; host < kept_.size(); ++host)
        kept_[host] = open_controller(host);
    io_ = open(keeper_qid, {}, 0);
    if (io_->closed() || !io_->last()->status().ok())
        fail("the keeper has no queue");
}

/// Of a queue that has not been there for a while: the gateway gives a host that comes again early time to tidy up.
std::uint16_t tcp_session::next_qid() {
    constexpr std::uint16_t most = 64;
    last_qid_ = last_qid_ < most ? last_qid_ + 1 : keeper_qid + 1;
    return last_qid_;
}

tcp_host& tcp_session::current() {
    auto& h = hosts_[at_];
    if (!h) {
        h = std::make_unique<tcp_host>(gateway_, port_);
        ++counts_.connections;
    }
    return *h;
}

void tcp_session::step(script& s) {
    const std::uint8_t how = s.byte();
    const auto kind = how & 7;
    const unsigned rest = how >> 3;
    switch (kind) {
    case 0: current().send_raw(s.bytes(s.byte() + 1u)); break;
    case 1: {
        const auto type = static_cast<nvme::tcp_pdu_type>(s.byte());
        const auto header = s.bytes(s.byte() % 121);
        const std::vector<std::byte> data(s.word() % 9000, std::byte{0x11});
        current().send(type, header, data, static_cast<std::uint8_t>(rest << 2));
        break;
    }
    case 2: {
        if (rest & 2)
            return send_reservation_command(s);
        nvme::command c{};
        const auto given = s.bytes(sizeof c);
        std::memcpy(&c, given.data(), given.size());
        const std::vector<std::byte> data(rest & 1 ? s.word() % 8193 : 0, std::byte{0x22});
        current().send(c, data);
        break;
    }
    case 3: {
        const auto length = static_cast<std::uint32_t>(rest & 1 ? s.word() * 4 : 0);
        const auto offset = static_cast<std::uint32_t>(rest & 2 ? s.word() * 4 : 0);
        const auto tag = static_cast<std::uint16_t>(rest & 4 ? s.byte() : 0);
        current().send_data(length, offset, tag, rest & 8 ? 0 : nvme::tcp_last_pdu);
        break;
    }
    case 4: run_until_quiet(rest & 1); break;
    case 5: at_ = rest % hosts_.size(); break;
    case 6: hosts_[at_].reset(); break;
    case 7: {
        const std::uint8_t b = s.byte();
        if (++opened_ > connections_at_most)
            break;
        hosts_[at_].reset();
        hosts_[at_] = open(rest & 1 ? 0 : static_cast<std::uint16_t>(2 + at_),
                           {.header_digest = (b & 1) != 0,
                            .data_digest = (b & 2) != 0,
                            .hpda = static_cast<std::uint8_t>(b >> 2 & 31),
                            .maxr2t = rest >> 1},
                           b >> 7);
        break;
    }
    }
}

/// The gateway has done all that it can do, and, unless `deaf`, its hosts have received the results.
void tcp_session::run_until_quiet(bool deaf) {
    constexpr unsigned quiet = 4;
    unsigned idle = 0;
    if (!gateway_.wait([&] {
            bool heard = gateway_.turn() != 0;
            for (const auto& h : hosts_)
                heard |= h && !deaf && h->receive();
            idle = heard ? 0 : idle + 1;
            return idle >= quiet;
        }))
        fail("the gateway does not rest");
}

void tcp_session::play(std::span<const std::uint8_t> input) {
    ++counts_.inputs;
    script s{input};
    at_ = 0;
    opened_ = 0;
    for (std::size_t n = 0; n < steps_at_most && !s.left.empty(); ++n)
        step(s);
    run_until_quiet(false);
    for (auto& h : hosts_) {
        if (!h)
            continue;
        counts_.commands += h->commands;
        counts_.answers += h->answers;
        counts_.closed += h->closed();
        h.reset();
    }
    check_idle();
    for (const std::uint32_t each : {nsid, nsid + 1})
        check_reservation(each);
    if (counts_.inputs % content_period == 0)
        check_content();
    if (counts_.inputs % leak_period == 0)
        __lsan_do_recoverable_leak_check();
}

/// What scripts have left behind is nothing, down to the last buffer. Requests count themselves when their queue goes.
void tcp_session::check_idle() {
    if (!gateway_.wait([&] { return connections() == keepers; }))
        fail(fmt::format("{} connections are left", connections()));
    auto& groups = static_cast<tcp::tcp_transport&>(gateway_.transport()).*member(tcp_groups_of());
    core::buffer_pool& buffers = groups.find(0)->buffers();
    if (const auto n = buffers.free_buffers(1); n != small_buffers)
        fail(fmt::format("{} of {} small buffers are free", n, small_buffers));
    if (const auto n = buffers.free_buffers(max_io_size); n != large_buffers)
        fail(fmt::format("{} of {} large buffers are free", n, large_buffers));
    if (kept_[0].admin->closed() || kept_[1].admin->closed() || io_->closed())
        fail("a connection that no script has touched is closed");
}

void tcp_session::check_content() {
    const auto pattern = static_cast<std::byte>(counts_.inputs >> 4);
    const std::vector<std::byte> written(block_size, pattern);
    nvme::command write = nvme::make_block_command(nvme::io_opcode::write, nsid, own_block, 1, block_size);
    write.sgl = nvme::sgl_descriptor::data_block(0, block_size, nvme::sgl_subtype::offset);
    const auto wrote = io_->call(write, written);
    const auto read = io_->call(nvme::make_block_command(nvme::io_opcode::read, nsid, own_block, 1, block_size));
    if (!wrote || !wrote->status().ok() || !read || !read->status().ok() || io_->data() != written)
        fail("what was written is not what is read");
}

}  // namespace causeway::fuzz
