// SPDX-License-Identifier: Apache-2.0
#include "nvmf/model/nvm_namespace.h"

#include "nvmf/model/namespaces.h"

#include <bit>

namespace causeway::nvmf {

namespace {

/// WZSL counts in 2^n pages of 4 KiB, the smallest memory page size that CAP reports.
std::uint64_t zeroes_limit(std::uint8_t wzsl, unsigned block_shift) {
    return wzsl ? (std::uint64_t{4096} << wzsl) >> block_shift : 0;
}

/// `co_await idle(ns)`: continues on this core when it has no command on `ns` any more.
class [[nodiscard]] idle : private core::message {
  public:
    explicit idle(core_namespace& ns) noexcept : core::message(&resume), ns_(ns) {}
    bool await_ready() const noexcept { return ns_.in_flight == 0; }
    void await_suspend(std::coroutine_handle<> h) noexcept {
        handle_ = h;
        ns_.drained = this;
    }
    void await_resume() const noexcept {}

  private:
    static void resume(core::message& m) noexcept { static_cast<idle&>(m).handle_.resume(); }
    core_namespace& ns_;
    std::coroutine_handle<> handle_;
};

}  // namespace

std::uint64_t next_admission() noexcept {
    static std::uint64_t last = 0;  // control reactor
    return ++last;
}

void core_namespace::show_to(std::shared_ptr<const visible_hosts> hosts, std::uint64_t new_admission) noexcept {
    const auto others = static_cast<std::uint8_t>(refusals & ~refusal::masked);
    refusals = static_cast<std::uint8_t>(others | (hosts->are_all() ? 0 : refusal::masked));
    seen_by = std::move(hosts);
    admission = new_admission;
}

void namespace_table::insert(core_namespace& ns) {
    if (slots_.size() < ns.nsid)
        slots_.resize(ns.nsid);
    slots_[ns.nsid - 1] = &ns;
}

void namespace_table::remove(const core_namespace& ns) noexcept {
    if (find(ns.nsid) == &ns)
        slots_[ns.nsid - 1] = nullptr;
}

void namespace_table::replace(const core_namespace& ns, core_namespace& by) noexcept {
    if (find(ns.nsid) == &ns)
        slots_[ns.nsid - 1] = &by;
}

nvm_namespace::nvm_namespace(namespaces& owner, identity id, const limits& l, visible_hosts seen_by,
                             std::shared_ptr<bdev::device> device,
                             std::unique_ptr<nvmf::reservation::store> reservations, std::string ptpl_file)
    : owner_(&owner), id_(std::move(id)), device_(std::move(device)), generation_(next_admission()),
      cores_(device_->group().size()), visibility_(std::move(seen_by)),
      reservation_(*this, device_->group(), std::move(reservations)), ptpl_file_(std::move(ptpl_file)) {
    for (std::size_t i = 0; i < cores_.size(); ++i) {
        cores_.on(i) = std::make_unique<core_namespace>();
        core_namespace& c = *cores_.on(i);
        c.device = device_.get();
        c.generation = generation_;
        c.has_reservations = reservation_.is_supported();
        c.nsid = id_.nsid;
        c.block_shift = static_cast<std::uint8_t>(std::countr_zero(device_->geometry().block_size));
        c.refusals = read_only() ? refusal::read_only : 0;
        c.show_to(visibility_.shared_hosts(), generation_);
        c.max_zeroes = zeroes_limit(l.wzsl, c.block_shift);
        c.max_deallocate = l.dmrsl;
    }
    if (device_->limits().any())
        begin_with_limits();
}

nvm_namespace::~nvm_namespace() = default;

void nvm_namespace::resized(bdev::device&, std::uint64_t) {
    // The data path reads the device's own size: only hosts have to be notified.
    if (owner_ && active_)
        owner_->announce_change(*this);
}

void nvm_namespace::health_changed(bdev::device&) {
    if (owner_ && active_)
        owner_->announce_health();
}

void nvm_namespace::removed(bdev::device&) {
    if (owner_)
        core::detach(owner_->remove(id_.nsid), [](core::result<>) {});
}

void nvm_namespace::remove() noexcept {
    active_ = false;
    owner_ = nullptr;
    executing_ = std::make_shared<core::event>();  // of drain()
}

void nvm_namespace::release_device() {
    device_->release(*this);
    released_.set();
}

core::task<> nvm_namespace::drain() {
    co_await draining_executing_.close();
    core::reactor& home = *core::reactor::current();
    co_await close_qos();
    for (const auto& r : device_->group()) {
        co_await core::switch_to(*r);
        co_await idle(*cores_.on(r->index()));
    }
    co_await core::switch_to(home);
    executing_->set();
}

/// A command in flight counts where it began. So each core gets another entry, in which all that comes later counts,
/// and the one before ends: commands pay nothing for being waited for.
core::task<> nvm_namespace::drain_executing(core::per_core<namespace_table>& tables) {
    const core::gate::holder hold = draining_executing_.hold();
    if (!hold)
        co_return;  // it has been removed
    core::reactor& home = *core::reactor::current();
    for (const auto& r : device_->group()) {
        co_await core::switch_to(*r);
        const std::size_t core = r->index();
        auto fresh = std::make_unique<core_namespace>(*cores_.on(core));
        fresh->in_flight = 0;
        fresh->drained = nullptr;
        tables.on(core).replace(*cores_.on(core), *fresh);
        const std::unique_ptr<core_namespace> before = std::exchange(cores_.on(core), std::move(fresh));
        co_await idle(*before);
    }
    co_await core::switch_to(home);
}

/// What an earlier call waits for has begun before, too.
std::shared_ptr<core::event> nvm_namespace::end_executing() {
    if (!owner_)
        return executing_;
    const auto ended = std::make_shared<core::event>();
    const auto earlier = std::exchange(executing_, ended);
    core::detach(owner_->drain_executing(shared_from_this()), [earlier, ended] {
        core::detach([](std::shared_ptr<core::event> earlier, std::shared_ptr<core::event> ended) -> core::task<> {
            if (earlier)
                co_await earlier->wait();
            ended->set();
        }(earlier, ended));
    });
    return ended;
}

void nvm_namespace::announce_reservation(const std::vector<nvmf::reservation::notification>& what) {
    if (owner_)
        owner_->announce_reservation(*this, what);
}

}  // namespace causeway::nvmf
