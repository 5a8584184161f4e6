// SPDX-License-Identifier: Apache-2.0
#include "tests/fuzz/tcp_host.h"

#include "nvme/make_command.h"
#include "wire/tcp/crc32c.h"

#include <arpa/inet.h>
#include <cerrno>
#include <cstring>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace causeway::fuzz {

namespace {

constexpr std::string_view host_nqn = "nqn.2014-08.org.nvmexpress:uuid:55555555-5555-5555-5555-55555555555";
constexpr std::size_t longest = 1 << 20;  // bytes that are sent before the gateway reads them

template <class T>
std::span<const std::byte> bytes_of(const T& t) {
    return std::as_bytes(std::span(&t, 1));
}

/// The outcome as errno. libFuzzer's timer interrupts calls; a connection that was interrupted goes on being made.
int connected(int socket, const sockaddr_in& to) {
    if (::connect(socket, reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0)
        return 0;
    if (errno != EINTR)
        return errno;
    pollfd p{.fd = socket, .events = POLLOUT, .revents = 0};
    while (::poll(&p, 1, -1) < 0 && errno == EINTR) {
    }
    int error = 0;
    socklen_t size = sizeof error;
    ::getsockopt(socket, SOL_SOCKET, SO_ERROR, &error, &size);
    return error;
}

void append_digest(std::vector<std::byte>& to, std::span<const std::byte> of) {
    tcp::crc32c sum;
    sum.add(of);
    const nvme::le32 value = sum.value();
    const auto b = bytes_of(value);
    to.insert(to.end(), b.begin(), b.end());
}

}  // namespace

tcp_host::tcp_host(gateway& g, std::uint16_t port) : gateway_(g), reader_(*this) {
    reader_.negotiated = {.sender = tcp::side::controller, .max_data = max_io_size};
    socket_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int yes = 1, size = longest;
    ::setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    ::setsockopt(socket_, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_port = htons(port);
    ::inet_pton(AF_INET, gateway::address, &at.sin_addr);
    if (const int error = connected(socket_, at); error != 0)
        fail(std::string("cannot connect: ") + std::strerror(error));
}

tcp_host::~tcp_host() {
    // At once: ports in TIME_WAIT would soon be all there are.
    const linger now{.l_onoff = 1, .l_linger = 0};
    ::setsockopt(socket_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    ::close(socket_);
}

void tcp_host::send_raw(std::span<const std::byte> bytes) {
    while (!closed_ && !bytes.empty()) {
        const ssize_t n = ::send(socket_, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n > 0) {
            bytes = bytes.subspan(static_cast<std::size_t>(n));
        } else if (errno == EAGAIN) {
            // The gateway has stopped reading, which it may; or it wants to be read.
            if (!gateway_.wait([&] { return receive() || closed_ || gateway_.turn() == 0; }))
                fail("the gateway neither reads nor rests");
            break;
        } else {
            closed_ = true;
        }
    }
}

void tcp_host::initialize(const beginning& b) {
    said_ = b;
    nvme::tcp_ic_req r{};
    r.common.type = nvme::to_underlying(nvme::tcp_pdu_type::ic_req);
    r.common.hlen = sizeof r;
    r.common.plen = sizeof r;
    r.hpda = b.hpda;
    r.dgst = static_cast<std::uint8_t>((b.header_digest ? nvme::tcp_enable_header_digest : 0) |
                                       (b.data_digest ? nvme::tcp_enable_data_digest : 0));
    r.maxr2t = b.maxr2t;
    send_raw(bytes_of(r));
}

void tcp_host::send(nvme::tcp_pdu_type type, std::span<const std::byte> header, std::span<const std::byte> data,
                    std::uint8_t flags) {
    const bool header_digest = reader_.negotiated.header_digest,
               data_digest = reader_.negotiated.data_digest && !data.empty();
    nvme::tcp_common_header h{};
    h.type = nvme::to_underlying(type);
    h.hlen = static_cast<std::uint8_t>(sizeof h + header.size());
    const std::uint32_t begin = h.hlen + (header_digest ? nvme::tcp_digest_size : 0);
    h.pdo = static_cast<std::uint8_t>(data.empty() ? 0 : begin);
    h.plen = static_cast<std::uint32_t>(begin + data.size() + (data_digest ? nvme::tcp_digest_size : 0));
    h.flags = static_cast<std::uint8_t>(flags | (header_digest ? nvme::tcp_header_digest : 0) |
                                        (data_digest ? nvme::tcp_data_digest : 0));
    std::vector<std::byte> out;
    const auto common = bytes_of(h);
    out.insert(out.end(), common.begin(), common.end());
    out.insert(out.end(), header.begin(), header.end());
    if (header_digest)
        append_digest(out, out);
    out.insert(out.end(), data.begin(), data.end());
    if (data_digest)
        append_digest(out, data);
    send_raw(out);
}

void tcp_host::send(nvme::command c, std::span<const std::byte> data) {
    ++commands;
    send(nvme::tcp_pdu_type::capsule_cmd, bytes_of(c), data);
}

std::array<std::uint8_t, 16> tcp_host::hostid_of(std::uint8_t host) noexcept {
    std::array<std::uint8_t, 16> id;
    id.fill(0x55);
    id.back() = host;
    return id;
}

void tcp_host::connect(std::uint16_t qid, std::uint16_t cntlid, std::uint8_t host) {
    nvme::connect_parameters p;
    p.subnqn = gateway::nqn;
    p.hostnqn = std::string(host_nqn) + static_cast<char>('0' + host);
    p.hostid = hostid_of(host);
    p.qid = qid;
    p.cntlid = cntlid;
    nvme::command c = nvme::make_connect_command(p, io_depth);
    c.sgl = nvme::sgl_descriptor::data_block(0, sizeof(nvme::connect_data), nvme::sgl_subtype::offset);
    send(c, bytes_of(nvme::make_connect_data(p)));
}

void tcp_host::send_data(std::uint32_t length, std::uint32_t datao, std::uint16_t tag, std::uint8_t flags) {
    nvme::tcp_r2t r{};
    if (!r2ts_.empty()) {
        r = r2ts_.front();
        r2ts_.pop_front();
        if (length == 0)
            length = r.r2tl;
    }
    nvme::tcp_data h{};
    h.cccid = r.cccid;
    h.ttag = static_cast<std::uint16_t>(r.ttag + tag);
    h.datao = r.r2to + datao;
    h.datal = length;
    const std::vector<std::byte> data(std::min<std::uint32_t>(length, 2 * max_io_size), std::byte{0xda});
    const auto header = bytes_of(h).subspan(sizeof h.common);
    send(nvme::tcp_pdu_type::h2c_data, header, data, flags);
}

bool tcp_host::receive() {
    std::byte buffer[65536];
    bool any = false;
    while (!closed_) {
        const ssize_t n = ::recv(socket_, buffer, sizeof buffer, MSG_DONTWAIT);
        if (n < 0 && errno == EAGAIN)
            break;
        if (n <= 0) {
            closed_ = true;
            break;
        }
        any = true;
        reader_.feed({buffer, static_cast<std::size_t>(n)});
    }
    return any;
}

std::optional<nvme::completion> tcp_host::call(nvme::command c, std::span<const std::byte> data) {
    last_.reset();
    send(c, data);
    if (!gateway_.wait([&] { return receive(), last_ || closed_; }))
        fail("a command that was sent by the rules is not answered");
    return last_;
}

std::variant<std::byte*, tcp::violation> tcp_host::begin(const tcp::pdu& p) noexcept {
    if (p.data_length() == 0)
        return nullptr;
    data_.assign(p.data_length(), std::byte{0});
    return data_.data();
}

bool tcp_host::end(const tcp::pdu& p, bool intact) noexcept {
    if (!intact)
        fail("a data digest of the gateway's is wrong");
    switch (static_cast<nvme::tcp_pdu_type>(p.common().type)) {
    case nvme::tcp_pdu_type::ic_resp: {
        const auto& r = p.as<nvme::tcp_ic_resp>();
        tcp::negotiated_params& a = reader_.negotiated;
        a.initialized = true;
        a.header_digest = r.dgst & nvme::tcp_enable_header_digest;
        a.data_digest = r.dgst & nvme::tcp_enable_data_digest;
        a.alignment = said_.hpda;
        break;
    }
    case nvme::tcp_pdu_type::c2h_data:
        if (p.common().flags & nvme::tcp_success)
            ++answers;
        break;
    case nvme::tcp_pdu_type::capsule_resp:
        ++answers;
        last_ = p.as<nvme::tcp_capsule_resp>().cqe;
        break;
    case nvme::tcp_pdu_type::r2t: r2ts_.push_back(p.as<nvme::tcp_r2t>()); break;
    default: break;  // C2HTermReq: the connection will be closed
    }
    return true;
}

void tcp_host::violated(const tcp::violation& v, std::span<const std::byte>) noexcept {
    fail("the gateway breaks the protocol: " + std::to_string(nvme::to_underlying(v.status)) + ", " +
         std::to_string(v.information));
}

}  // namespace causeway::fuzz
