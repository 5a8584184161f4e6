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

nvm_namespace::nvm_namespace(namespaces& owner, identity id, const limits& l, visible_hosts seen_by,
                             std::shared_ptr<bdev::device> device)
    : owner_(&owner), id_(std::move(id)), device_(std::move(device)), cores_(device_->group().size()),
      visibility_(std::move(seen_by)) {
    const std::uint64_t generation = next_admission();
    for (std::size_t i = 0; i < cores_.size(); ++i) {
        core_namespace& c = cores_.on(i);
        c.device = device_.get();
        c.generation = generation;
        c.nsid = id_.nsid;
        c.block_shift = static_cast<std::uint8_t>(std::countr_zero(device_->geometry().block_size));
        c.refusals = read_only() ? refusal::read_only : 0;
        c.show_to(visibility_.shared_hosts(), generation);
        c.max_zeroes = zeroes_limit(l.wzsl, c.block_shift);
        c.max_deallocate = l.dmrsl;
    }
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
}

void nvm_namespace::release_device() {
    device_->release(*this);
    released_.set();
}

core::task<> nvm_namespace::drain() {
    core::reactor& home = *core::reactor::current();
    for (const auto& r : device_->group()) {
        co_await core::switch_to(*r);
        co_await idle(cores_.on(r->index()));
    }
    co_await core::switch_to(home);
}

}  // namespace causeway::nvmf
