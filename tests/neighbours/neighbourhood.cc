// SPDX-License-Identifier: Apache-2.0
#include "tests/neighbours/neighbourhood.h"

#include "bdev/memory_device.h"
#include "core/log.h"

namespace causeway::neighbours {

neighbourhood::neighbourhood(seam_maker make_seam, std::uint64_t seed) : run(seed, 1, {.message_budget = 4096}) {
    core::log::set_level(core::log::level::error);
    // Seconds pass evenly, for some things go by them: a core looks at its descriptors each half millisecond. And
    // threads that make and close connections take no longer than they do in life.
    run.set_pace({.min_turn = 5us,
                  .max_turn = 15us,
                  .turns_before_a_stall = 0,
                  .min_blocking_work = 1us,
                  .max_blocking_work = 100us});
    by = make_seam(run);
    now([&] { polling_ = {core(), "restless", restless_}; });
    wait(managed.start());
    wait(build());
}

neighbourhood::~neighbourhood() {
    EXPECT_TRUE(run.run_until([&] { return everything_is_given_back(); }, 200'000))
        << by->connections() << " connections and " << subsystem().controllers().all().size()
        << " controllers are left";
    EXPECT_EQ(bad->hung() + other_bad->hung() + good->hung(), 0u);
    wait(tear_down());
    wait(managed.stop());
    now([&] { polling_.reset(); });
    EXPECT_TRUE(run.run_until_idle(1'000'000));
    EXPECT_EQ(core().timer_count(), 0u);
}

bool neighbourhood::everything_is_given_back() {
    const auto& counts = target().counters().on(0);
    return by->connections() == 0 && subsystem().controllers().all().empty() &&
           target().discovery().controllers().all().empty() &&
           counts.current_admin_qpairs.get() + counts.current_io_qpairs.get() == 0 &&
           counts.current_unassociated_qpairs.get() == 0;
}

core::task<> neighbourhood::build() {
    auto made = by->make_transport(target());
    EXPECT_TRUE(made && target().add_transport(std::move(*made)));
    nvmf::subsystem_options o;
    o.nqn = subnqn;
    o.allow_any_host = true;
    const auto subsystem = co_await target().create_subsystem(o);
    const auto listening = co_await (*subsystem)->listeners().add(by->address());
    EXPECT_TRUE(listening);
    bad = make_disk("bad");
    co_await add_namespace("bad");
    other_bad = make_disk("other");
    co_await add_namespace("other");
    good = make_disk("good");
    good->add_rule({.what = bdev::fault_rule::kind::delay, .delay = 20us});
    co_await add_namespace("good");
    make_disk("spare");
}

core::task<> neighbourhood::tear_down() {
    co_await target().shutdown();
    bad.reset();
    other_bad.reset();
    good.reset();
    for (const char* name : {"bad", "other", "good", "spare"}) {
        const auto removed = co_await devices.remove(name);
        EXPECT_TRUE(removed);
    }
}

std::shared_ptr<bdev::fault_device> neighbourhood::make_disk(const std::string& name) {
    constexpr bdev::device_geometry shape{.block_size = block_size, .blocks = 1024};
    auto memory = bdev::memory_device::create(core(), name + " memory", shape, bdev::uuid_of_name(name + " memory"));
    auto made = bdev::fault_device::create(name, *memory, bdev::uuid_of_name(name));
    EXPECT_TRUE(devices.add(*made));
    return *made;
}

core::task<> neighbourhood::add_namespace(std::string disk) {
    nvmf::namespace_params p;
    p.bdev_name = std::move(disk);
    const auto added = co_await subsystem().namespaces().add(p);
    EXPECT_TRUE(added);
}

void neighbourhood::wait(core::task<> t) {
    bool done = false;
    core().execute([&] { core::detach(std::move(t), [&] { done = true; }); });
    EXPECT_TRUE(run.run_until([&] { return done; }));
}

void neighbourhood::now(const std::function<void()>& f) {
    bool done = false;
    core().execute([&] {
        f();
        done = true;
    });
    EXPECT_TRUE(run.run_until([&] { return done; }));
}

host::controller_options neighbourhood::host(const std::string& name, std::size_t io_queues) {
    return {.subnqn = subnqn,
            .hostnqn = "nqn.2024-01.io.causeway:" + name,
            .io_reactors = std::vector<core::reactor*>(io_queues, &core()),
            .io_depth = 127,
            .kato_ms = 0};
}

}  // namespace causeway::neighbours
