// SPDX-License-Identifier: Apache-2.0
#include "tests/fuzz/gateway.h"

#include "bdev/memory_device.h"
#include "core/log.h"
#include "nvmf/model/subsystem.h"

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <thread>

namespace causeway::fuzz {

namespace {

constexpr auto timeout = std::chrono::seconds(20);
/// Sleeps of the product are for the kernel's connection manager; this one is faster.
constexpr unsigned hurry = 10;
/// A reactor looks at its descriptors that often.
constexpr auto idle_step = std::chrono::microseconds(500);

nvmf::transport_options options() {
    nvmf::transport_options o;
    o.max_queue_depth = io_depth;
    o.max_aq_depth = admin_depth;
    o.max_io_qpairs_per_ctrlr = 64;
    o.in_capsule_data_size = in_capsule_size;
    o.max_io_size = max_io_size;
    o.small_buffers = small_buffers;
    o.large_buffers = large_buffers;
    return o;
}

template <class T>
T need(core::result<T> r) {
    if (!r)
        fail(r.error().text());
    return std::move(*r);
}
void need(const core::result<>& r) {
    if (!r)
        fail(r.error().text());
}

}  // namespace

void fail(const std::string& what) {
    std::fprintf(stderr, "FUZZ FINDING: %s\n", what.c_str());
    std::abort();
}

const std::string gateway::nqn = "nqn.2024-01.io.causeway:fuzz";

gateway::gateway(const char* trtype, transport_factory make, std::uint16_t port, pace p)
    : pace_(p), group_({0}, clock_, executor_), devices_(group_), target_(homes_, devices_) {
    core::log::set_level(core::log::level::error);
    bool built = false;
    group_.control().execute([&] { core::detach(build(trtype, make, port), [&] { built = true; }); });
    if (!wait([&] { return built; }))
        fail("the gateway does not start");
}

core::task<> gateway::build(const char* trtype, transport_factory make, std::uint16_t port) {
    need(target_.add_transport(need(make(target_, options()))));
    transport_ = target_.find_transport(trtype);
    nvmf::subsystem_options o;
    o.nqn = nqn;
    o.allow_any_host = true;
    o.ana_reporting = true;
    auto made = co_await target_.create_subsystem(o);
    nvmf::subsystem* const subsystem = need(std::move(made));
    for (const std::uint32_t size : {block_size, 8 * block_size}) {
        const std::string name = "Malloc" + std::to_string(size);
        const bdev::device_geometry shape{.block_size = size, .blocks = blocks * block_size / size};
        need(devices_.add(need(bdev::memory_device::create(group_.control(), name, shape, bdev::random_uuid()))));
        nvmf::namespace_params p;
        p.bdev_name = name;
        auto added = co_await subsystem->namespaces().add(p);
        need(std::move(added));
    }
    // Named first: g++ 12 destroys a braced argument of co_await twice.
    nvmf::transport_address at{trtype, "IPv4", address, std::to_string(port)};
    auto listening = co_await subsystem->listeners().add(std::move(at));
    need(listening);
}

bool gateway::executor::run_one() {
    if (waiting_.empty())
        return false;
    const auto work = std::move(waiting_.front());
    waiting_.pop_front();
    work();
    return true;
}

unsigned gateway::turn() {
    clock_.advance_to(clock_.now() + 100);
    return group_[0].turn() + executor_.run_one();
}

bool gateway::wait(const std::function<bool()>& done) {
    using clock = std::chrono::steady_clock;
    const auto begin = clock::now();
    const core::ticks base = clock_.now();
    for (;;) {
        const unsigned events = turn();
        if (done())
            return true;
        const auto passed = clock::now() - begin;
        if (passed > timeout)
            return false;
        if (pace_ == pace::alone) {
            if (events == 0)
                clock_.advance_to(clock_.now() + clock_.to_ticks(idle_step));
            continue;
        }
        clock_.advance_to(base + hurry * static_cast<core::ticks>(std::chrono::nanoseconds(passed).count()));
        if (events == 0)
            std::this_thread::yield();
    }
}

}  // namespace causeway::fuzz
