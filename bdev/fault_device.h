// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bdev/device.h"
#include "core/random.h"

#include <limits>
#include <mutex>
#include <vector>

namespace causeway::bdev {

/// What goes wrong with which I/O of a fault_device.
struct fault_rule {
    enum class kind : std::uint8_t {
        fail,        ///< ends with `status`; the base never sees it
        fail_after,  ///< done by the base, then reported as failed: a lost answer
        delay,       ///< reaches the base only after `delay`
        hang,        ///< stays until released
        corrupt,     ///< done, but the byte at `corrupt_offset` of the data becomes `corrupt_value`
    };

    kind what = kind::fail;
    std::uint32_t ops = (1u << op_count) - 1;
    std::uint64_t first_block = 0;  ///< I/O that touches one of these blocks; flush touches them all
    std::uint64_t last_block = std::numeric_limits<std::uint64_t>::max();
    std::uint64_t times = std::numeric_limits<std::uint64_t>::max();  ///< then the rule is used up
    unsigned per_mille = 1000;                                        ///< how often, drawn from the device's seed
    /// Only while at least this many I/Os are in flight.
    std::uint64_t from_depth = 0;

    nvme::status status = nvme::sc::internal_error;
    core::nanoseconds delay{};
    std::uint64_t corrupt_offset = 0;
    std::byte corrupt_value{};
};

/// Wraps another device and makes its I/O fail, wait, hang or return wrong data, by rule. Random choices come from a
/// seed, so that a failure can be repeated. Delays are timers of the reactor: in a simulation they pass in virtual
/// time.
///
/// For tests and for trying out hosts: takes a lock and allocates for each I/O. I/O comes and goes on the core that
/// issued it.
class fault_device final : public device, private observer {
  public:
    /// Control reactor. Claims `base`: EBUSY.
    static core::result<std::shared_ptr<fault_device>> create(std::string name, std::shared_ptr<device> base, uuid id,
                                                              std::uint64_t seed = 1);
    ~fault_device() override;

    std::optional<std::uint64_t> allocated_blocks() override { return base_->allocated_blocks(); }
    std::string_view product_name() const noexcept override { return "Error injection disk"; }
    core::reactor* home() const noexcept override { return base_->home(); }
    const health* medium_health() const noexcept override { return base_->medium_health(); }
    device& base() const noexcept { return *base_; }

    // Any thread. The first rule that fits an I/O decides.
    void add_rule(const fault_rule& r);
    void clear_rules();

    /// Any thread: how many hang now.
    std::uint64_t hung() const noexcept { return hung_.load(std::memory_order_relaxed); }
    /// Control reactor: those that hang now continue to the base; with a status, end with it.
    core::task<> release_hung(nvme::status s = nvme::sc::success);

    /// Releases hung I/O, then the base.
    core::task<> close() override;

    /// Called when the base is about to go: its owner removes this device then.
    std::function<void()> on_base_removed;

  private:
    struct passage;

    fault_device(std::string name, std::shared_ptr<device> base, device_capabilities c, uuid id, std::uint64_t seed);
    void submit(io& i) noexcept override;
    void resized(device& d, std::uint64_t blocks) override;
    void health_changed(device& d) override;
    void removed(device& d) override;

    bool draw(const io& i, fault_rule& found);

    const std::shared_ptr<device> base_;
    bool claimed_ = true;
    std::mutex mutex_;
    std::vector<fault_rule> rules_;
    core::random_source random_;
    std::atomic<std::uint64_t> hung_{0};
    core::per_core<std::vector<passage*>> hanging_;
};

}  // namespace causeway::bdev
