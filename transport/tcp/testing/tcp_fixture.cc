// SPDX-License-Identifier: Apache-2.0
#include "transport/tcp/testing/tcp_fixture.h"

#include "bdev/null_device.h"
#include "core/log.h"
#include "nvmf/model/subsystem.h"

#include <arpa/inet.h>
#include <cerrno>
#include <cstring>
#include <netinet/tcp.h>
#include <numeric>
#include <sys/socket.h>
#include <unistd.h>

namespace causeway::tcp::test {

namespace {

using namespace std::chrono_literals;

/// A reactor looks at its descriptors that often.
constexpr auto idle_step = 500us;
constexpr auto timeout = 60s;  // of virtual time

std::vector<unsigned> numbers_below(std::size_t n) {
    std::vector<unsigned> all(n);
    std::iota(all.begin(), all.end(), 0u);
    return all;
}

template <class T>
std::span<const std::byte> bytes_of(const T& t) {
    return std::as_bytes(std::span(&t, 1));
}

sockaddr_in address(const std::string& host, std::uint16_t port) {
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_port = htons(port);
    ::inet_pton(AF_INET, host.c_str(), &at.sin_addr);
    return at;
}

}  // namespace

std::uint16_t free_port() {
    const int probe = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in at = address("127.0.0.1", 0);
    socklen_t size = sizeof at;
    ::bind(probe, reinterpret_cast<const sockaddr*>(&at), size);
    ::getsockname(probe, reinterpret_cast<sockaddr*>(&at), &size);
    ::close(probe);
    return ntohs(at.sin_port);
}

// ---- A host.

raw_host::raw_host(std::uint16_t port, const std::string& from)
    : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const sockaddr_in here = address(from, 0), there = address("127.0.0.1", port);
    EXPECT_EQ(::bind(socket_, reinterpret_cast<const sockaddr*>(&here), sizeof here), 0);
    // What is sent is there at once: virtual time does not wait for an acknowledgement.
    const int on = 1;
    ::setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    EXPECT_EQ(::connect(socket_, reinterpret_cast<const sockaddr*>(&there), sizeof there), 0) << std::strerror(errno);
}

raw_host::raw_host(raw_host&& other) noexcept
    : initialized(other.initialized), closed(other.closed), responses(std::move(other.responses)),
      r2ts(std::move(other.r2ts)), data(std::move(other.data)), socket_(std::exchange(other.socket_, -1)),
      in_(std::move(other.in_)) {}

raw_host::~raw_host() {
    if (socket_ < 0)
        return;
    const linger now{.l_onoff = 1, .l_linger = 0};  // or its port would rest for a minute
    ::setsockopt(socket_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    ::close(socket_);
}

void raw_host::send(std::span<const std::byte> bytes) {
    if (::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL) < 0)
        closed = true;
}

template <class Header>
void raw_host::send(nvme::tcp_pdu_type type, Header h, std::span<const std::byte> in) {
    h.common.type = nvme::to_underlying(type);
    h.common.hlen = sizeof h;
    h.common.pdo = static_cast<std::uint8_t>(in.empty() ? 0 : sizeof h);
    h.common.plen = static_cast<std::uint32_t>(sizeof h + in.size());
    std::vector<std::byte> out(sizeof h + in.size());
    std::memcpy(out.data(), &h, sizeof h);
    std::copy(in.begin(), in.end(), out.begin() + sizeof h);
    send(out);
}

void raw_host::send_ic_req() {
    send(nvme::tcp_pdu_type::ic_req, nvme::tcp_ic_req{});
}

void raw_host::send(nvme::command c, std::span<const std::byte> in) {
    nvme::tcp_capsule_cmd h{};
    h.sqe = c;
    send(nvme::tcp_pdu_type::capsule_cmd, h, in);
}

void raw_host::send_connect(const nvme::connect_parameters& p, std::uint16_t entries) {
    nvme::command c = nvme::make_connect_command(p, entries);
    c.sgl = nvme::sgl_descriptor::data_block(0, sizeof(nvme::connect_data), nvme::sgl_subtype::offset);
    send(c, bytes_of(nvme::make_connect_data(p)));
}

void raw_host::send_data(std::span<const std::byte> all) {
    const nvme::tcp_r2t asked = r2ts.front();
    r2ts.pop_front();
    nvme::tcp_data h{};
    h.common.flags = nvme::tcp_last_pdu;
    h.cccid = asked.cccid;
    h.ttag = asked.ttag;
    h.datao = asked.r2to;
    h.datal = asked.r2tl;
    send(nvme::tcp_pdu_type::h2c_data, h, all.subspan(asked.r2to, asked.r2tl));
}

void raw_host::receive() {
    std::byte some[65536];
    for (;;) {
        const ssize_t n = ::recv(socket_, some, sizeof some, MSG_DONTWAIT);
        if (n <= 0) {
            closed = closed || n == 0 || errno != EAGAIN;
            break;
        }
        in_.insert(in_.end(), some, some + n);
    }
    while (in_.size() >= sizeof(nvme::tcp_common_header)) {
        nvme::tcp_common_header h;
        std::memcpy(&h, in_.data(), sizeof h);
        if (in_.size() < h.plen)
            break;
        take(std::span(in_).first(h.plen));
        in_.erase(in_.begin(), in_.begin() + static_cast<std::ptrdiff_t>(h.plen.value()));
    }
}

void raw_host::take(std::span<const std::byte> pdu) {
    const auto as = [&]<class T>(T t) {
        std::memcpy(&t, pdu.data(), sizeof t);
        return t;
    };
    const auto common = as(nvme::tcp_common_header{});
    switch (static_cast<nvme::tcp_pdu_type>(common.type)) {
    case nvme::tcp_pdu_type::ic_resp: initialized = true; break;
    case nvme::tcp_pdu_type::capsule_resp: responses.push_back(as(nvme::tcp_capsule_resp{}).cqe); break;
    case nvme::tcp_pdu_type::r2t: r2ts.push_back(as(nvme::tcp_r2t{})); break;
    case nvme::tcp_pdu_type::c2h_data: data.insert(data.end(), pdu.begin() + common.pdo, pdu.end()); break;
    default: break;  // C2HTermReq: the connection is about to be closed
    }
}

// ---- A gateway.

tcp_fixture::tcp_fixture(std::size_t cores, transport_options options, common::connection_limits limits)
    : group(numbers_below(cores), clock, blocking), homes(group), devices(group), port(free_port()) {
    core::log::set_print_level(core::log::level::error);
    target.emplace(homes, devices);
    run(build(options, limits));
}

tcp_fixture::~tcp_fixture() {
    if (fabric)
        stop();
}

core::task<> tcp_fixture::build(transport_options options, common::connection_limits limits) {
    auto made = std::make_unique<tcp_transport>(*target, options, limits);
    fabric = made.get();
    EXPECT_TRUE(target->add_transport(std::move(made)));
    nvmf::subsystem_options o;
    o.nqn = subsystem_nqn;
    o.allow_any_host = true;
    auto subsystem = co_await target->create_subsystem(o);
    nvmf::transport_address at{"TCP", "IPv4", "127.0.0.1", std::to_string(port)};
    EXPECT_TRUE(co_await (*subsystem)->listeners().add(std::move(at)));
}

std::shared_ptr<bdev::fault_device> tcp_fixture::add_disk() {
    bdev::device_geometry shape;
    shape.blocks = 1 << 20;
    auto base = std::make_shared<bdev::null_device>(group, "null", shape, bdev::uuid_of_name("null"));
    auto made = bdev::fault_device::create("disk", std::move(base), bdev::uuid_of_name("disk"), 1);
    EXPECT_TRUE(made && devices.add(*made));
    nvmf::namespace_params p;
    p.bdev_name = "disk";
    EXPECT_TRUE(run(target->find_subsystem(subsystem_nqn)->namespaces().add(p)));
    return *made;
}

unsigned tcp_fixture::turn() {
    clock.advance_to(clock.now() + 100);
    unsigned events = 0;
    for (const auto& r : group)
        events += r->turn();
    return events;
}

bool tcp_fixture::until(const std::function<bool()>& done) {
    const core::ticks end = clock.now() + clock.to_ticks(timeout);
    while (clock.now() < end) {
        const unsigned events = turn();
        if (done())
            return true;
        if (events == 0)
            clock.advance_to(clock.now() + clock.to_ticks(idle_step));
    }
    return false;
}

void tcp_fixture::run(core::task<> t) {
    bool over = false;
    group.control().execute([&] { core::detach(std::move(t), [&] { over = true; }); });
    EXPECT_TRUE(until([&] { return over; }));
}

void tcp_fixture::stop() {
    run(target->shutdown());
    EXPECT_EQ(homes.count(core::lease_kind::admin_queue) + homes.count(core::lease_kind::io_queue), 0u);
    while (!devices.all().empty())
        EXPECT_TRUE(run(devices.remove(devices.all().back()->name())));
    target.reset();
    fabric = nullptr;
}

std::optional<nvme::completion> tcp_fixture::response(raw_host& h) {
    EXPECT_TRUE(until([&] { return h.receive(), !h.responses.empty() || h.closed; }));
    if (h.responses.empty())
        return {};
    const nvme::completion c = h.responses.front();
    h.responses.pop_front();
    return c;
}

raw_host tcp_fixture::initialize(const std::string& from) {
    raw_host h(port, from);
    h.send_ic_req();
    EXPECT_TRUE(until([&] { return h.receive(), h.initialized; }));
    return h;
}

raw_host tcp_fixture::connect(std::uint16_t qid, std::uint16_t entries) {
    raw_host h = initialize();
    nvme::connect_parameters p{.subnqn = subsystem_nqn, .hostnqn = host_nqn};
    p.qid = qid;
    p.cntlid = qid ? cntlid : nvme::cntlid_dynamic;
    h.send_connect(p, entries);
    const auto answer = response(h);
    EXPECT_TRUE(answer && answer->status().ok());
    if (answer && qid == 0) {
        cntlid = static_cast<std::uint16_t>(answer->dw0);
        enable(h);
    }
    return h;
}

void tcp_fixture::enable(raw_host& admin) {
    nvme::cc cc;
    cc.value = 0x460001;  // entries of 64 and 16 bytes
    admin.send(nvme::make_property_set(nvme::property::cc, cc.value));
    const auto set = response(admin);
    EXPECT_TRUE(set && set->status().ok());
}

std::size_t tcp_fixture::counter(std::string_view name) const {
    return target->counter_list().total("transport", name).value_or(0);
}

}  // namespace causeway::tcp::test
