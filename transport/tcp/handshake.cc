// SPDX-License-Identifier: Apache-2.0
#include "transport/tcp/handshake.h"

#include "nvme/fabrics.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <sys/epoll.h>
#include <utility>

namespace causeway::tcp {

namespace {

/// From being accepted to the header of Connect. Hosts take milliseconds.
constexpr auto time_limit = std::chrono::seconds(15);
// Of Connect and admin commands. NVM Express TCP Transport Specification 1.0, "In-Capsule Data".
constexpr std::uint32_t fabrics_capsule_data = 8192;
constexpr std::uint32_t max_h2c_data = 128 * 1024;

bool is(const nvme::tcp_common_header& h, nvme::tcp_pdu_type type) noexcept {
    return h.type == nvme::to_underlying(type);
}

}  // namespace

handshake::handshake(core::reactor& home, std::unique_ptr<common::connection_permit> permit, std::unique_ptr<stream> s,
                     const nvmf::transport_options& options, std::shared_ptr<const nvmf::port> port,
                     nvmf::transport_address local, nvmf::transport_address peer, function done)
    : options_(options), done_(std::move(done)),
      watch_(home, s->socket(), EPOLLIN, [this](std::uint32_t) { on_ready(); }),
      limit_(home, [this] { done_(*this, outcome::timed_out); }) {
    permit->watch(home, [this] { done_(*this, outcome::evicted); });
    result_.permit = std::move(permit);
    result_.stream = std::move(s);
    result_.port = std::move(port);
    result_.local = std::move(local);
    result_.peer = std::move(peer);
    limit_.arm_after(time_limit);
}

void handshake::on_ready() {
    if (const auto how = advance())
        return done_(*this, *how);
    const bool waits_to_send = step_ == step::responding || result_.stream->wants_to_send();
    watch_.set_events(waits_to_send ? EPOLLOUT : EPOLLIN);
}

std::optional<handshake::outcome> handshake::advance() {
    // Not a byte more than the step wants: what follows the first header is its queue pair's.
    for (;;) {
        const bool sends = step_ == step::responding;
        const iovec left{buffer_.data() + filled_, wanted_ - filled_};
        const stream::outcome o = sends ? result_.stream->send({&left, 1}) : result_.stream->receive({&left, 1});
        if (o.after != stream::state::open)
            return outcome::lost;
        if (o.bytes == 0)
            return {};
        filled_ += o.bytes;
        if (filled_ < wanted_)
            continue;
        if (sends) {
            step_ = step::identifying;
            filled_ = 0;
            wanted_ = sizeof(nvme::tcp_common_header);
        } else if (const auto how = received()) {
            return how;
        }
    }
}

/// What was wanted is there.
std::optional<handshake::outcome> handshake::received() {
    const auto& common = as<nvme::tcp_common_header>();
    if (step_ == step::initializing) {
        if (filled_ == sizeof(nvme::tcp_ic_req))
            return initialize();
        if (const auto wrong = check_common_header(common, {}))
            return refuse(*wrong);
        if (!is(common, nvme::tcp_pdu_type::ic_req))
            return outcome::lost;  // it ends what has not begun
        wanted_ = sizeof(nvme::tcp_ic_req);
        return {};
    }
    // Judged by the queue pair, whatever it is; a command says which queue that will be.
    const std::size_t digest = result_.negotiated.header_digest ? nvme::tcp_digest_size : 0;
    if (filled_ == sizeof common && is(common, nvme::tcp_pdu_type::capsule_cmd)) {
        wanted_ = sizeof(nvme::tcp_capsule_cmd) + digest;
        return {};
    }
    result_.first.assign(buffer_.begin(), buffer_.begin() + static_cast<std::ptrdiff_t>(filled_));
    if (filled_ > sizeof common)
        identify();
    return outcome::established;
}

void handshake::identify() {
    const nvme::command& sqe = as<nvme::tcp_capsule_cmd>().sqe;
    if (nvme::is_connect(sqe))
        result_.qid = std::bit_cast<nvme::connect_command>(sqe).qid;
}

/// ICReq is there; ICResp is to be sent.
std::optional<handshake::outcome> handshake::initialize() {
    const auto asked = as<nvme::tcp_ic_req>();
    if (asked.pfv != 0)
        return refuse({nvme::tcp_fatal_error::unsupported_parameter, offsetof(nvme::tcp_ic_req, pfv)});
    if (asked.hpda > nvme::tcp_max_alignment)
        return refuse(invalid_field(offsetof(nvme::tcp_ic_req, hpda)));
    negotiated_params& a = result_.negotiated;
    a.initialized = true;
    a.header_digest = asked.dgst & nvme::tcp_enable_header_digest;
    a.data_digest = asked.dgst & nvme::tcp_enable_data_digest;
    a.in_capsule_data = std::max(options_.in_capsule_data_size, fabrics_capsule_data);
    a.max_data = max_h2c_data;
    result_.data_alignment = (asked.hpda + 1u) * 4;
    result_.max_r2ts = std::max(asked.maxr2t + 1u, asked.maxr2t.value());  // of 2^32 a 32-bit number has no word

    nvme::tcp_ic_resp answer{};
    answer.common.type = nvme::to_underlying(nvme::tcp_pdu_type::ic_resp);
    answer.common.hlen = sizeof answer;
    answer.common.plen = sizeof answer;
    answer.dgst = asked.dgst & (nvme::tcp_enable_header_digest | nvme::tcp_enable_data_digest);
    answer.maxh2cdata = max_h2c_data;
    std::memcpy(buffer_.data(), &answer, sizeof answer);
    step_ = step::responding;
    filled_ = 0;
    wanted_ = sizeof answer;
    return {};
}

handshake::outcome handshake::refuse(const violation& v) {
    term_req_.set(nvme::tcp_pdu_type::c2h_term_req, v, std::span(buffer_).first(filled_));
    return outcome::refused;
}

}  // namespace causeway::tcp
