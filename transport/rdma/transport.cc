// SPDX-License-Identifier: Apache-2.0
#include "transport/rdma/transport.h"

#include "core/log.h"
#include "nvme/discovery.h"
#include "nvme/identify.h"
#include "nvmf/target.h"
#include "transport/rdma/counters.h"
#include "transport/rdma/rdma_transport.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <cstring>

namespace causeway::rdma {

namespace {

// How many hosts are answered at a time; the others wait for their turn. Each takes a thread that may block.
constexpr unsigned max_accepting = 8;
constexpr std::size_t max_waiting = 1024;

core::result<> check(const transport_options& o) {
    if (o.max_queue_depth < 2 || o.max_aq_depth < 2 || o.max_aq_depth > 4096)
        return core::fail(EINVAL, "queues must be 2 deep at least, the admin queue 4096 at most");
    if (o.max_io_size < 8192 || !std::has_single_bit(o.max_io_size))
        return core::fail(EINVAL, "max_io_size must be a power of two from 8192");
    // 16 descriptors must fit, and everything stays aligned to cache lines.
    if (o.in_capsule_data_size < 256 || o.in_capsule_data_size % 64 != 0 || o.in_capsule_data_size > 1u << 20)
        return core::fail(EINVAL, "in_capsule_data_size must be a multiple of 64 from 256 to 1048576");
    if (o.max_srq_depth < 32 || o.small_buffers == 0 || o.large_buffers == 0)
        return core::fail(EINVAL, "max_srq_depth must be 32 at least, and there must be buffers");
    if (o.ack_timeout > 31)
        return core::fail(EINVAL, "ack_timeout must be 31 at most");
    if (o.acceptor_backlog < 1)
        return core::fail(EINVAL, "parameter 'acceptor_backlog' must be at least 1");
    return {};
}

}  // namespace

rdma_transport::rdma_transport(nvmf::target& target, transport_options options, std::unique_ptr<cm_channel> channel)
    : target_(target), options_(std::move(options)), channel_(std::move(channel)), to_accept_(max_waiting),
      requests_(target.group().size()), reopen_timer_(target.group().control(), [this] {
          ++background_;
          core::detach(reopen_listeners());
      }) {
    if (auto listed = target_.counter_list().add({request_table, {{"transport", "RDMA"}}, requests_}))
        counted_requests_ = std::move(*listed);
}

rdma_transport::~rdma_transport() {
    assert(background_ == 0);
}

core::task<> rdma_transport::stop() {
    reopen_timer_.cancel();
    co_await listeners_.stop();
    co_await connections_.close_all(nvmf::disconnect_reason::shutting_down);
    co_await background_ended_.wait([this] { return background_ == 0; });
    for (const auto& d : devices_)
        if (!d->lost())
            co_await d->release_verbs();
    devices_.clear();
}

device* rdma_transport::live_device(const ibv_context* context) const noexcept {
    for (const auto& d : devices_)
        if (d->context() == context && !d->lost())
            return d.get();
    return nullptr;
}

device* rdma_transport::device_of(ibv_context* context) {
    if (device* const live = live_device(context))
        return live;
    // A lost one watches the context's event descriptor until it is released, and only one can.
    for (const auto& d : devices_)
        if (d->context() == context && !d->released)
            return nullptr;
    auto made = device::open(context, target_, options_,
                             {.fatal = [this](device& d) { lose(d); },
                              .queue_pair =
                                  [](void* of, ibv_event_type e) {
                                      if (of)
                                          static_cast<connection*>(of)->on_event(e);
                                  }});
    if (!made) {
        core::log::error("rdma: {}", made.error().text());
        return nullptr;
    }
    devices_.push_back(std::move(*made));
    return devices_.back().get();
}

void rdma_transport::connect_requested(listener& at, const cm_event& e) {
    e.id->context = nullptr;
    const auto asked = read_request(e.private_data(), e.reads, options_);
    if (const auto* why = std::get_if<nvme::rdma_cm_status>(&asked)) {
        static core::log::limiter limit;
        core::log::peer_warning(limit, "rdma: {}: rejecting the connection, its request is invalid: {}",
                                ip::address_of("RDMA", *rdma_get_peer_addr(e.id)).text(), nvme::to_underlying(*why));
        return refuse(e.id, *why);
    }
    device* const d = listeners_.stopping() ? nullptr : device_of(e.id->verbs);
    if (!d)
        return refuse(e.id, nvme::rdma_cm_status::no_resources);
    const std::uint64_t address = ip::host_key(*rdma_get_peer_addr(e.id));
    if (!to_accept_.has_room_for(address)) {
        static core::log::limiter limit;
        core::log::peer_warning(limit, "rdma: {}: rejecting the connection: {} requests wait, which is the maximum",
                                ip::address_of("RDMA", *rdma_get_peer_addr(e.id)).text(), to_accept_.size());
        requests_.local().refused.add();
        return refuse(e.id, nvme::rdma_cm_status::no_resources);
    }
    // A wildcard does not say which address the host has come to.
    wait_to_accept(address, connections_.add(std::make_unique<connection>(
                                *this, *d, e.id, at.port(),
                                at.at().is_wildcard() ? ip::address_of("RDMA", *rdma_get_local_addr(e.id)) : at.at(),
                                std::get<connect_request>(asked))));
    accept_next();
}

void rdma_transport::wait_to_accept(std::uint64_t address, connection& c) {
    connection* const dropped = to_accept_.push(address, c);
    if (!dropped)
        return;
    requests_.local().dropped.add();
    core::detach(dropped->reject_waiting());
}

void rdma_transport::accept_next() {
    while (accepting_ < max_accepting && !to_accept_.empty()) {
        connection& c = to_accept_.pop();
        ++accepting_;
        core::detach([](rdma_transport& self, connection& next) -> core::task<> {
            co_await next.accept();
            --self.accepting_;
            self.accept_next();
        }(*this, c));
    }
}

void rdma_transport::refuse(rdma_cm_id* id, nvme::rdma_cm_status why) {
    ++background_;
    core::detach([](rdma_transport& self, rdma_cm_id* id, nvme::rdma_cm_status why) -> core::task<> {
        auto reject = [&] {
            nvme::rdma_cm_reject answer{};
            answer.recfmt = std::uint16_t{0};
            answer.status = nvme::to_underlying(why);
            rdma_reject(id, &answer, sizeof answer);
            rdma_destroy_id(id);
        };
        co_await core::run_blocking(self.target_.group(), reject);
        self.background_ended();
    }(*this, id, why));
}

void rdma_transport::remove(connection& c) {
    connections_.remove(c);
    remove_lost_devices();
}

std::uint32_t rdma_transport::sgls() const noexcept {
    return nvme::sgls_supported | nvme::sgls_keyed | nvme::sgls_larger_than_transfer | nvme::sgls_address_offset;
}

std::uint8_t rdma_transport::msdbd() const noexcept {
    return max_descriptors;
}

std::vector<std::byte> rdma_transport::tsas(const nvmf::listen_options&) const {
    nvme::rdma_tsas t{};
    t.qptype = nvme::to_underlying(nvme::rdma_qp_type::reliable_connected);
    t.prtype = nvme::to_underlying(nvme::rdma_provider::none);
    t.cms = nvme::to_underlying(nvme::rdma_connection_service::rdma_cm);
    std::vector<std::byte> bytes(sizeof t);
    std::memcpy(bytes.data(), &t, sizeof t);
    return bytes;
}

nvmf::own_option_list rdma_transport::own_options() const {
    auto all = nvmf::list_own_options(rdma::own_options, options_);
    if (options_.num_cqe == 0)  // as the established target does
        std::erase_if(all, [](const nvmf::own_option& o) { return o.name == "num_cqe"; });
    return all;
}

std::uint64_t rdma_transport::pending_data_buffers(std::size_t core) const {
    std::uint64_t waits = 0;
    for (const auto& d : devices_)
        waits += d->buffer_waits(core);
    return waits;
}

}  // namespace causeway::rdma

namespace causeway {

core::result<std::unique_ptr<nvmf::transport>> make_rdma_transport(nvmf::target& target,
                                                                   rdma::transport_options options) {
    if (auto good = rdma::check(options); !good)
        return tl::make_unexpected(good.error());
    if (auto enough = common::poll_group::check_memory(options, target.group().size(), rdma::own_buffers_in_region);
        !enough)
        return tl::make_unexpected(enough.error());
    auto channel = rdma::cm_channel::open(target.group().control());
    if (!channel)
        return tl::make_unexpected(channel.error());
    return std::make_unique<rdma::rdma_transport>(target, std::move(options), std::move(*channel));
}

nvmf::transport_kind rdma_transport_kind() {
    return nvmf::make_transport_kind("RDMA", rdma::own_options, make_rdma_transport);
}

}  // namespace causeway
