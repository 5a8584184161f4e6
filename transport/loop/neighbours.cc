#include "transport/loop/neighbours.h"

namespace causeway::loop::test {

namespace {

nvmf::transport_options few_large_buffers() {
    nvmf::transport_options o;
    o.large_buffers = 4;  // nobody here needs one
    return o;
}

}  // namespace

neighbourhood::neighbourhood(std::uint64_t seed)
    : run(seed, 1, {.mail_budget = 4096}), gate(run.group(), data_path::copy, few_large_buffers()) {
    wait(build());
    now([&] { polling_ = {run[0], "restless", restless_}; });
}

neighbourhood::~neighbourhood() {
    EXPECT_TRUE(subsystem().controllers().empty());
    EXPECT_TRUE(run.run_until([&] { return gate.transport->connections() == 0; })) << "connections are left";
    EXPECT_EQ(gate.disk().hung() + other->hung(), 0u);
    auto& loop = gate.transport->on(0);
    EXPECT_EQ(loop.broken.get(), 0u);
    EXPECT_EQ(loop.pending.get(), 0u);
    EXPECT_EQ(loop.buffers->taken(), 0u);
    EXPECT_EQ(loop.buffers->waiting(), 0u);
    const auto& counts = gate.target->counters().on(0);
    EXPECT_EQ(counts.current_admin_qpairs.get(), 0u);
    EXPECT_EQ(counts.current_io_qpairs.get(), 0u);
    EXPECT_EQ(counts.current_unassociated_qpairs.get(), 0u);
    now([&] { polling_.reset(); });
    wait(tear_down());
    EXPECT_TRUE(run.run_until_idle());
    EXPECT_EQ(run[0].timer_count(), 0u);
}

core::task<> neighbourhood::build() {
    co_await gate.build();
    other = make_disk("other");
    co_await add_namespace("other");
    good = make_disk("good");
    good->add_rule({.what = bdev::fault_rule::kind::delay, .delay = 20us});
    co_await add_namespace("good");
    make_disk("spare");
}

core::task<> neighbourhood::tear_down() {
    co_await gate.tear_down();
    other.reset();
    good.reset();
    for (const char* name : {"other", "good", "spare"}) {
        const auto removed = co_await gate.devices.remove(name);
        EXPECT_TRUE(removed);
    }
}

std::shared_ptr<bdev::fault_device> neighbourhood::make_disk(const std::string& name) {
    auto memory = bdev::memory_device::create(run[0], name + " memory", {.block_size = block_size, .blocks = blocks},
                                              bdev::uuid_of_name(name + " memory"));
    auto made = bdev::fault_device::create(name, *memory, bdev::uuid_of_name(name));
    EXPECT_TRUE(gate.devices.add(*made));
    return *made;
}

core::task<> neighbourhood::add_namespace(std::string disk) {
    nvmf::namespace_params p;
    p.bdev_name = std::move(disk);
    const auto added = co_await subsystem().add_namespace(p);
    EXPECT_TRUE(added);
}

void neighbourhood::wait(core::task<> t) {
    bool done = false;
    run.group().control().execute([&] { core::detach(std::move(t), [&] { done = true; }); });
    EXPECT_TRUE(run.run_until([&] { return done; }));
}

void neighbourhood::now(const std::function<void()>& f) {
    bool done = false;
    run.group().control().execute([&] {
        f();
        done = true;
    });
    EXPECT_TRUE(run.run_until([&] { return done; }));
}

host_options neighbourhood::host(const std::string& name, std::uint16_t io_queues) {
    host_options o = gateway::host(io_queues, 128);
    o.admin_entries = 128;
    o.hostnqn = "nqn.2024-01.io.causeway:" + name;
    return o;
}

core::task<> busy_host::arrive() {
    const auto connected = co_await controller_.connect(options_);
    EXPECT_TRUE(connected);
}

void busy_host::begin() {
    const std::size_t queues = std::max<std::size_t>(1, controller_.io_queues());
    for (std::size_t q = 0; q < queues; ++q)
        for (unsigned i = 0; i < depth_; ++i)
            rounds_.emplace_back(*this, controller_.io_queues() ? controller_.io(q) : controller_.admin(),
                                 work_[i % work_.size()]);
    for (round& r : rounds_)
        r.submit();
}

core::task<> busy_host::leave() {
    stopping_ = true;
    while (outstanding_)
        co_await core::yield();
    co_await controller_.disconnect();
}

busy_host::round::round(busy_host& h, host_queue& q, const piece_of_work& w)
    : host(h), queue(q), first(w.bytes), second(w.bytes), pair(w.fused_with_a_write) {
    first.command = second.command = w.command;
    if (pair) {
        first.command.flags |= nvme::to_underlying(nvme::fuse::first);
        second.command.flags |= nvme::to_underlying(nvme::fuse::second);
        second.command.opcode = nvme::to_underlying(nvme::io_opcode::write);
    }
    first.context = second.context = this;
    first.done =
        second.done = [](host_request& r) noexcept { static_cast<round*>(r.context)->answered(r.status().ok()); };
}

void busy_host::round::submit() {
    missing = pair ? 2 : 1;
    all_ok = true;
    ++host.outstanding_;
    EXPECT_TRUE(queue.submit(first));
    if (pair) {
        EXPECT_TRUE(queue.submit(second));
    }
}

void busy_host::round::answered(bool ok) {
    all_ok &= ok;
    if (--missing)
        return;
    --host.outstanding_;
    host.count(all_ok);
    if (!host.stopping_)
        submit();
}

void busy_task::begin() {
    working_ = true;
    core::detach(work());
}

core::task<> busy_task::work() {
    while (!stopping_) {
        const bool ok = co_await once();
        count(ok);
        co_await core::yield();
    }
    working_ = false;
}

core::task<> busy_task::leave() {
    stopping_ = true;
    while (working_)
        co_await core::yield();
}

}  // namespace causeway::loop::test
