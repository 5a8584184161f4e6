// SPDX-License-Identifier: Apache-2.0
// A namespace keeps to the limits of its device. Control reactor, which visits the others.

#include "nvme/nqn.h"
#include "nvmf/model/nvm_namespace.h"

namespace causeway::nvmf {

namespace {

/// Where the device's I/O is submitted, if that is one core; else some core, another one for each namespace.
core::reactor& scheduler_home(const bdev::device& d, std::uint64_t generation) {
    return d.home() ? *d.home() : d.group()[generation % d.group().size()];
}

}  // namespace

namespace_qos& nvm_namespace::qos() {
    if (!qos_)
        qos_ = std::make_unique<namespace_qos>(device_->group(),
                                               scheduler_home(*device_, on_core(0).generation));  // constant
    return *qos_;
}

void nvm_namespace::begin_with_limits() {
    qos().begin_with(device_->limits());
    for (std::size_t i = 0; i < cores_.size(); ++i)
        show_limits(i);
}

/// On that core, or before it knows of the namespace.
void nvm_namespace::show_limits(std::size_t core) noexcept {
    core_namespace& c = on_core(core);
    c.qos = &qos_->on_core(core);
    constexpr std::uint8_t mine = refusal::throttled | refusal::throttled_by_host;
    const int now =
        (qos_->limited() ? refusal::throttled : 0) | (qos_->limits_hosts() ? refusal::throttled_by_host : 0);
    c.refusals = static_cast<std::uint8_t>((c.refusals & ~mine) | now);
}

core::task<> nvm_namespace::apply_limits() {
    const auto keep = shared_from_this();
    const auto lock = co_await changing_limits_.lock();
    if (is_removed() || (!qos_ && !device_->limits().any()))
        co_return;
    co_await qos().set_limits(device_->limits());
    co_await tell_cores(nullptr, nullptr);
}

/// That limits are others; those of one host, or all.
core::task<> nvm_namespace::tell_cores(const std::string* host, rate_limiter* limits) {
    co_await core::for_each_reactor(device_->group(), [&](core::reactor& r) {
        core_qos& q = qos_->on_core(r.index());
        if (host)
            qos_->on_host_changed(q, *host, limits);
        show_limits(r.index());
        qos_->on_limits_changed(q, qos_->limited());
    });
}

core::task<core::result<>> nvm_namespace::set_host_share(std::string host_nqn, host_share share) {
    const auto keep = shared_from_this();
    if (!nvme::usable_host_nqn(host_nqn))
        co_return core::fail(EINVAL, "a host NQN is 1 to 223 bytes of printable UTF-8", host_nqn);
    if (share.weight == 0)
        co_return core::fail(EINVAL, "a weight is at least 1", host_nqn);
    const auto lock = co_await changing_limits_.lock();
    if (is_removed())
        co_return core::fail(ENODEV, "the namespace was removed meanwhile", device_->name());
    const auto known = host_shares_.find(host_nqn);
    const host_share before = known == host_shares_.end() ? host_share() : known->second;
    rate_limiter* const limits = co_await qos().set_host(host_nqn, before, share);
    co_await tell_cores(&host_nqn, limits);
    if (share.is_default()) {
        co_await qos_->leave_unset_host(host_nqn);
        host_shares_.erase(host_nqn);
    } else {
        host_shares_.insert_or_assign(host_nqn, share);
    }
    co_return core::result<>();
}

core::task<> nvm_namespace::close_qos() {
    const auto lock = co_await changing_limits_.lock();
    if (qos_)
        co_await qos_->close();
}

}  // namespace causeway::nvmf
