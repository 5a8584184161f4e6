// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bdev_nvme/controllers.h"
#include "bdev_nvme/testing/model_fixture.h"

#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace causeway::bdev_nvme::testing {

/// I/O on devices from all cores, each with buffers of its own that go with it: a device that touches them later is
/// found by a sanitizer.
class io_user final : bdev::observer {
  public:
    io_user(core::test::manual_reactors& reactors, bdev::registry& devices) : reactors_(reactors), devices_(devices) {}
    ~io_user() override;

    struct request {
        bdev::op operation = bdev::op::read;
        std::uint64_t offset_blocks = 0;
        std::uint64_t length_blocks = 1;
        std::uint8_t fill = 0;       ///< of each byte of the data
        std::size_t misaligned = 0;  ///< bytes before the data
        std::size_t piece = 0;       ///< data in pieces of so many bytes; 0: in one
        bool force_unit_access = false;
        std::vector<bdev::copy_source> sources{};
    };
    struct outcome {
        bool ended = false;
        nvme::status status;
        std::vector<std::byte> data;  ///< of a read
    };
    /// nullptr: the device does not exist. REQUIRES: not within a reactor's turn.
    std::shared_ptr<outcome> start(const std::string& device, const request& r, std::size_t core = 0);

    /// Claims the devices that have come.
    void look();
    std::size_t devices() const noexcept { return held_.size(); }
    std::uint64_t outstanding() const noexcept { return outstanding_; }
    std::uint64_t resized() const noexcept { return resized_; }
    std::uint64_t warned() const noexcept { return warned_; }

  private:
    struct held {
        std::shared_ptr<bdev::device> device;
        std::uint64_t outstanding = 0;
        bool leaving = false;
    };
    struct flight;

    void resized(bdev::device&, std::uint64_t) override { ++resized_; }
    void health_changed(bdev::device&) override { ++warned_; }
    void removed(bdev::device& d) override;
    void ended(flight& f) noexcept;
    void release_device(const std::string& name);

    core::test::manual_reactors& reactors_;
    bdev::registry& devices_;
    std::map<std::string, held> held_;
    std::uint64_t outstanding_ = 0, resized_ = 0, warned_ = 0;
};

/// The driver as in the gateway, with models of controllers, where time jumps over idle periods.
class driver_fixture : public model_fixture {
  public:
    explicit driver_fixture(std::size_t cores = 1);
    ~driver_fixture();

    /// Turns until it is so. False: it is not, and so much time has passed.
    bool turn_until(const std::function<bool()>& is_so, core::nanoseconds limit = std::chrono::minutes(5));
    void turn_for(core::nanoseconds d) {
        turn_until([] { return false; }, d);
    }

    /// Runs a task on the control reactor to its end. Nothing: it has none.
    template <class T>
    std::optional<T> finish(core::task<T> t) {
        const auto slot = std::make_shared<std::optional<T>>();
        const auto task = std::make_shared<core::task<T>>(std::move(t));
        reactors[0].execute([=] { core::detach(std::move(*task), [slot](T v) { slot->emplace(std::move(v)); }); });
        turn_until([&] { return slot->has_value(); });
        return std::move(*slot);
    }

    /// Limits that keep tests short.
    static controller_options quick() {
        controller_options o;
        o.io_timeout = std::chrono::milliseconds(200);
        o.admin_timeout = std::chrono::milliseconds(100);
        o.admin_poll_period = std::chrono::milliseconds(50);
        o.queue_entries = 16;
        return o;
    }
    core::result<> attach(const std::string& name, const controller_model& m);
    const controller* find(const std::string& name) const;
    controller::state state(const std::string& name) const;  ///< closed: there is none
    /// Runs one I/O to its end. Command Sequence Error: the device does not exist, or the I/O does not end.
    nvme::status io(const std::string& device, const io_user::request& r, std::size_t core = 0);
    /// Detaches everything. False: that does not come to its end.
    bool close();
    /// Nothing is left: no timer and no poller on a reactor, no device, no function of the bus.
    bool empty();

    /// Cores but the first take one turn while that takes so many.
    unsigned slowness = 1;

    controllers driver{devices, models};
    io_user user{reactors, devices};

  private:
    std::uint64_t turns_ = 0;
    bool closed_ = false;
};

}  // namespace causeway::bdev_nvme::testing
