// SPDX-License-Identifier: Apache-2.0
#include "transport/tcp/transport.h"

#include "core/log.h"
#include "nvme/discovery.h"
#include "nvme/identify.h"
#include "nvmf/target.h"
#include "transport/tcp/counters.h"
#include "transport/tcp/tcp_transport.h"

#include <bit>
#include <cstring>
#include <new>
#include <utility>

namespace causeway::tcp {

namespace {

core::log::limiter refusals;

core::result<> check(const transport_options& o) {
    // A data transfer's tag names the request and one of four parts of it, in 16 bits.
    if (o.max_queue_depth < 2 || o.max_queue_depth > 4096 || o.max_aq_depth < 2 || o.max_aq_depth > 4096)
        return core::fail(EINVAL, "queues must be 2 to 4096 deep");
    if (o.max_io_size < 8192 || !std::has_single_bit(o.max_io_size))
        return core::fail(EINVAL, "max_io_size must be a power of two from 8192");
    if (o.in_capsule_data_size % 16 != 0 || o.in_capsule_data_size > o.max_io_size)
        return core::fail(EINVAL, "in_capsule_data_size must be a multiple of 16, and at most max_io_size");
    if (o.small_buffers == 0 || o.large_buffers == 0)
        return core::fail(EINVAL, "there must be buffers");
    if (o.sock_priority > 16)
        return core::fail(EINVAL, "sock_priority must be 16 at most");
    if (o.acceptor_backlog < 1)
        return core::fail(EINVAL, "parameter 'acceptor_backlog' must be at least 1");
    return {};
}

}  // namespace

tcp_transport::tcp_transport(nvmf::target& target, transport_options options, const common::connection_limits& limits)
    : target_(target), options_(std::move(options)), limiter_(limits),
      groups_(
          target.group(), [this](core::reactor& home) { return poll_group::create(home, target_, options_); },
          [this](const poll_group& made) {
              counted_groups_.attach(poll_group_table, made.home().index(), made.stats());
          }),
      handshakes_(target.group().size()) {
    register_counters();
}

/// A second transport of this type is not listed: target::add_transport() refuses it.
void tcp_transport::register_counters() {
    const core::labels labels{{"transport", "TCP"}, {"device", "tcp"}};
    if (auto listed = target_.counter_list().add({handshake_table, labels, handshakes_}))
        counted_handshakes_ = std::move(*listed);
    if (auto listed = target_.counter_list().add({poll_group_table, labels, target_.group().size()}))
        counted_groups_ = std::move(*listed);
}

core::task<core::result<>> tcp_transport::listen(std::shared_ptr<const nvmf::port> at) {
    stream_maker make = make_plain_stream;
    if (at->options.secure_channel)
        make = [tls = tls_](int socket) { return make_tls_server_stream(socket, tls); };
    return listeners_.open(std::make_unique<listener>(*this, std::move(at), std::move(make)));
}

core::task<> tcp_transport::stop() {
    co_await listeners_.stop();
    // What a core has adopted before its acceptor went is here by now.
    co_await connections_.close_all(nvmf::disconnect_reason::shutting_down);
    co_await groups_.stop();
    counted_groups_.detach();
    groups_.clear();
}

core::result<> tcp_transport::subsystem_add_host(const std::string& subnqn, const std::string& hostnqn,
                                                 std::string_view key) {
    return keys_->admit(subnqn, hostnqn, key);
}

void tcp_transport::subsystem_remove_host(const std::string& subnqn, const std::string& hostnqn) noexcept {
    keys_->remove(subnqn, hostnqn);
}

core::task<> tcp_transport::adopt(handshake_result e) {
    co_await core::switch_to(target_.group().control());
    if (listeners_.stopping())
        co_return;
    try {
        auto made = std::make_unique<connection>(*this, std::move(e));
        auto beginning = made->begin();
        connections_.add(std::move(made));
        co_await std::move(beginning);
    } catch (const std::bad_alloc&) {
        core::log::peer_warning(refusals, "tcp: rejecting a connection: there is no memory for it");
    }
}

std::uint32_t tcp_transport::sgls() const noexcept {
    return nvme::sgls_supported | nvme::sgls_larger_than_transfer | nvme::sgls_address_offset |
           nvme::sgls_transport_data_block;
}

std::vector<std::byte> tcp_transport::tsas(const nvmf::listen_options& options) const {
    nvme::tcp_tsas t{};
    t.sectype = nvme::to_underlying(options.secure_channel ? nvme::tcp_security::tls13 : nvme::tcp_security::none);
    const auto bytes = std::as_bytes(std::span(&t, 1));
    return {bytes.begin(), bytes.end()};
}

}  // namespace causeway::tcp

namespace causeway {

core::result<std::unique_ptr<nvmf::transport>> make_tcp_transport(nvmf::target& target, tcp::transport_options options,
                                                                  const common::connection_limits& limits) {
    if (auto good = tcp::check(options); !good)
        return tl::make_unexpected(good.error());
    if (auto enough = common::poll_group::check_memory(options, target.group().size()); !enough)
        return tl::make_unexpected(enough.error());
    return std::make_unique<tcp::tcp_transport>(target, std::move(options), limits);
}

nvmf::transport_kind tcp_transport_kind(const common::connection_limits& limits) {
    return nvmf::make_transport_kind("TCP", tcp::own_options,
                                     [limits](nvmf::target& t, tcp::transport_options options) {
                                         return make_tcp_transport(t, std::move(options), limits);
                                     });
}

}  // namespace causeway
