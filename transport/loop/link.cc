// SPDX-License-Identifier: Apache-2.0
#include "transport/loop/link.h"

#include "transport/loop/loop_qpair.h"
#include "transport/loop/loop_transport.h"

#include <utility>

namespace causeway::loop {

namespace {

link& of(core::message& m) noexcept {
    return *static_cast<link::signal&>(m).of;
}

void on_hang_up(core::message& m) noexcept {
    if (of(m).qpair)
        of(m).qpair->disconnect(nvmf::disconnect_reason::host_asked);
}

void on_severed(core::message& m) noexcept {
    link& l = of(m);
    std::exchange(l.host, nullptr)->severed();
    l.target_home().post(l.bye);
}

void on_host_done(core::message& m) noexcept {
    of(m).host_is_done = true;
    of(m).destroy_if_done();
}

void on_gone(core::message& m) noexcept {
    of(m).transport.remove_link(of(m));
}

}  // namespace

void arrive(core::message& m) noexcept {
    slot& s = static_cast<slot&>(m);
    if (s.of->qpair)  // or it is gone, and the host will fail the command when it hears of that
        s.of->qpair->receive(s);
}

link::link(loop_transport& t, host_end& h, core::reactor& host_reactor, core::core_lease target,
           std::shared_ptr<const nvmf::port> by, std::uint64_t n, std::uint16_t count)
    : transport(t), host_home(host_reactor), target_lease(std::move(target)), port(std::move(by)), number(n),
      entries(count), slots(std::make_unique<slot[]>(count)), host(&h) {
    for (std::uint16_t i = 0; i < entries; ++i) {
        slots[i].of = this;
        slots[i].cid = i;
        slots[i].request.of = &slots[i];
        slots[i].claim.of = &slots[i];
        slots[i].next_free = static_cast<std::uint16_t>(i + 1);
    }
    for (const auto& [s, handler] : {std::pair{&hang_up, &on_hang_up}, std::pair{&severed, &on_severed},
                                     std::pair{&bye, &on_host_done}, std::pair{&gone, &on_gone}}) {
        s->of = this;
        s->handle = handler;
    }
}

link::~link() = default;

void link::accept() {
    qpair = std::make_unique<loop_qpair>(*this);
    if (transport.local().stopping)
        qpair->disconnect(nvmf::disconnect_reason::shutting_down);
}

void link::destroy_if_done() noexcept {
    if (host_is_done && detached)
        target_home().group().control().post(gone);
}

}  // namespace causeway::loop
