// SPDX-License-Identifier: Apache-2.0
#include "bdev_nvme/enable.h"

#include "nvme/pcie.h"

#include <algorithm>
#include <fmt/format.h>

namespace causeway::bdev_nvme {

using namespace std::chrono_literals;
using nvme::property;

namespace {

constexpr auto poll_period = 1ms;
constexpr auto unit = 500ms;  // of CAP.TO and CRTO

/// How long CSTS.RDY may take to follow CC.EN.
core::nanoseconds ready_limit(const register_file& r) {
    const nvme::cap cap = r.cap();
    std::uint32_t units = cap.to();
    if (cap.crwms())
        units = std::max<std::uint32_t>(units, nvme::crto{r.read(property::crto)}.crwmt());
    return unit * std::max(units, 1u);
}

core::error gone(const std::string& about) {
    return {ENODEV, "the controller is gone: its registers read all ones", about};
}

/// Ends when `is_so(csts)`.
template <class Condition>
core::task<core::result<>> wait_until(register_file r, core::nanoseconds limit, std::string about, const char* what,
                                      Condition is_so) {
    const core::reactor& here = *core::reactor::current();
    const core::ticks end = here.now() + here.time().to_ticks(limit);
    for (;;) {
        const nvme::csts s = r.csts();
        if (s.value == all_ones)
            co_return tl::make_unexpected(gone(about));
        if (is_so(s))
            co_return core::result<>();
        if (here.now() >= end)
            co_return core::fail(ETIMEDOUT,
                                 fmt::format("the controller {} within its own limit of {} ms (CSTS {:08x}h)", what,
                                             std::chrono::duration_cast<std::chrono::milliseconds>(limit).count(),
                                             s.value),
                                 about);
        co_await core::sleep_for(poll_period);
    }
}

}  // namespace

core::result<> check_capabilities(const register_file& r, const std::string& about) {
    if (r.bytes() < nvme::doorbells_offset + 2 * sizeof(std::uint32_t))
        return core::fail(ENOTSUP, "its BAR 0 is too small for a controller's registers", about);
    if (r.csts().value == all_ones)
        return tl::make_unexpected(gone(about));
    const nvme::cap cap = r.cap();
    if (!(cap.css() & (nvme::cap::css_nvm | nvme::cap::css_io_command_sets)))
        return core::fail(ENOTSUP, "the controller has no NVM command set", about);
    if (cap.mpsmin() != 0)
        return core::fail(ENOTSUP, "the controller wants memory pages larger than 4 KiB", about);
    if (cap.mqes() + 1u < min_queue_entries)
        return core::fail(ENOTSUP, "the controller has queues of one or two entries at most", about);
    return {};
}

core::task<core::result<>> disable(register_file r, std::string about) {
    const auto limit = ready_limit(r);
    nvme::csts now = r.csts();
    if (now.value == all_ones)
        co_return tl::make_unexpected(gone(about));
    if (now.shst() == nvme::csts::shutdown::occurring)  // its previous owner has only just ended; best effort
        co_await wait_until(r, limit, about, "does not end its shutdown",
                            [](nvme::csts s) { return s.shst() != nvme::csts::shutdown::occurring; });
    if (r.cc().en() && !r.csts().rdy() && !r.csts().cfs())
        // It must not be disabled while it is on its way to ready. One that never gets there is disabled all the same.
        co_await wait_until(r, limit, about, "does not become ready", [](nvme::csts s) { return s.rdy() || s.cfs(); });
    if (r.cc().en()) {
        r.write(property::cc, r.cc().set_en(false).set_shn(nvme::cc::shutdown::none).value);
        // One that never became ready does not show by CSTS.RDY that it has seen this. It must before it is enabled
        // again, or it takes both for no change and stays as it is.
        co_await core::sleep_for(poll_period);
    }
    auto off = co_await wait_until(r, limit, about, "does not become disabled", [](nvme::csts s) { return !s.rdy(); });
    // A failure goes with the reset. One that stays is none of disabling: enabling will find it.
    if (off && r.csts().cfs())
        co_await wait_until(r, unit, about, "does not recover", [](nvme::csts s) { return !s.cfs(); });
    co_return off;
}

core::task<core::result<>> enable(register_file r, admin_memory m, std::string about) {
    r.write(property::aqa, nvme::admin_queue_attributes(m.entries, m.entries));
    r.write_wide(property::asq, m.submission_address);
    r.write_wide(property::acq, m.completion_address);
    // Interrupts are never wanted: completions are polled for.
    r.write(property::intms, all_ones);
    nvme::cc cc;
    cc.set_css(r.cap().css() & nvme::cap::css_nvm ? nvme::cc::css_nvm : nvme::cc::css_all);
    cc.set_iosqes(nvme::submission_entry_shift).set_iocqes(nvme::completion_entry_shift).set_en(true);
    r.write(property::cc, cc.value);
    auto ready = co_await wait_until(r, ready_limit(r), about, "does not become ready",
                                     [](nvme::csts s) { return s.rdy() || s.cfs(); });
    if (ready && r.csts().cfs())
        co_return core::fail(EIO, "the controller reports a fatal status (CSTS.CFS)", about);
    co_return ready;
}

core::task<core::result<>> shut_down(register_file r, core::nanoseconds limit, std::string about) {
    if (r.csts().value == all_ones)
        co_return tl::make_unexpected(gone(about));
    r.write(property::cc, r.cc().set_shn(nvme::cc::shutdown::normal).value);
    co_return co_await wait_until(r, limit, about, "does not end its shutdown",
                                  [](nvme::csts s) { return s.shst() == nvme::csts::shutdown::complete; });
}

}  // namespace causeway::bdev_nvme
