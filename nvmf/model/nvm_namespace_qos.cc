// SPDX-License-Identifier: Apache-2.0
// A namespace keeps to the limits of its device. Control reactor, which visits the others.

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
    if (qos_->limited())
        c.refusals |= refusal::throttled;
    else
        c.refusals &= static_cast<std::uint8_t>(~refusal::throttled);
}

core::task<> nvm_namespace::apply_limits() {
    const auto keep = shared_from_this();
    const auto lock = co_await changing_limits_.lock();
    if (is_removed() || (!qos_ && !device_->limits().any()))
        co_return;
    co_await qos().set_limits(device_->limits());
    co_await core::for_each_reactor(device_->group(), [this](core::reactor& r) {
        show_limits(r.index());
        qos_->on_limits_changed(qos_->on_core(r.index()), qos_->limited());
    });
}

core::task<> nvm_namespace::close_qos() {
    const auto lock = co_await changing_limits_.lock();
    if (qos_)
        co_await qos_->close();
}

}  // namespace causeway::nvmf
