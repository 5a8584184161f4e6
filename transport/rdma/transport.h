// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/condition_variable.h"
#include "core/counter_registry.h"
#include "core/timer.h"
#include "nvmf/transport.h"
#include "transport/common/listeners.h"
#include "transport/ip/address.h"
#include "transport/rdma/accept_queue.h"
#include "transport/rdma/connection.h"
#include "transport/rdma/device.h"
#include "transport/rdma/listener.h"
#include "transport/rdma/options.h"

#include <cstdint>
#include <memory>
#include <vector>

namespace causeway::rdma {

/// The RDMA fabric: devices, listeners and connections. Control reactor, but for the statistics, which are counters.
class rdma_transport final : public nvmf::transport {
  public:
    rdma_transport(nvmf::target& target, transport_options options, std::unique_ptr<cm_channel> channel);
    ~rdma_transport() override;

    // nvmf::transport
    std::string_view trtype() const noexcept override { return "RDMA"; }
    nvme::transport_type type() const noexcept override { return nvme::transport_type::rdma; }
    const transport_options& options() const noexcept override { return options_; }
    nvmf::own_option_list own_options() const override;
    core::result<nvmf::transport_address> normalized(nvmf::transport_address at) const override {
        return ip::normalized(at);
    }
    core::task<core::result<>> listen(std::shared_ptr<const nvmf::port> at) override {
        return listeners_.open(std::make_unique<listener>(*this, std::move(at)));
    }
    core::task<> stop_listening(std::shared_ptr<const nvmf::port> at) override {
        return listeners_.close(std::move(at));
    }
    core::task<> stop() override;
    std::uint64_t pending_data_buffers(std::size_t core) const override;
    std::uint32_t sgls() const noexcept override;
    std::uint8_t msdbd() const noexcept override;
    std::vector<std::byte> tsas(const nvmf::listen_options& options) const override;

    nvmf::target& target() const noexcept { return target_; }
    rdma_event_channel* channel() const noexcept { return channel_->get(); }

    // Listeners'.
    void connect_requested(listener& at, const cm_event& e);
    void listener_lost(listener& which, bool with_device);
    // Connections'.
    void remove(connection& c);
    /// The device has failed or is being removed: everything on it is closed and released.
    void lose(device& d);

  private:
    /// The device that is in use on `context`; nullptr: none.
    device* live_device(const ibv_context* context) const noexcept;
    /// The same, opened if need be. nullptr: it cannot be opened, or its lost instance is still being released.
    device* device_of(ibv_context* context);
    void wait_to_accept(std::uint64_t address, connection& c);
    void accept_next();
    void refuse(rdma_cm_id* id, nvme::rdma_cm_status why);
    core::task<> tear_down_device(device& d);
    core::task<> reopen_listeners();
    void reopen_soon();
    void remove_lost_devices();
    void background_ended() {
        --background_;
        background_ended_.notify_all();
    }

    nvmf::target& target_;
    const transport_options options_;
    std::unique_ptr<cm_channel> channel_;
    unsigned background_ = 0;  ///< tasks that only stop() waits for
    core::condition_variable background_ended_;

    common::listeners<listener> listeners_{"rdma"};
    std::vector<std::unique_ptr<device>> devices_;
    common::connections<connection> connections_;
    accept_queue<connection> to_accept_;
    unsigned accepting_ = 0;
    core::per_core<request_counters> requests_;
    core::counter_registration counted_requests_;
    core::timer reopen_timer_;
};

}  // namespace causeway::rdma
