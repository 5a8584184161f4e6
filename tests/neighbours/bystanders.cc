// SPDX-License-Identifier: Apache-2.0
#include "tests/neighbours/bystanders.h"

#include "nvme/make_command.h"

namespace causeway::neighbours {

namespace {

using nvme::io_opcode;

/// Connects with one I/O queue, enables its controller, and goes without a word: whoever shuts its controller down
/// asks each millisecond whether that is done.
class host_that_connects : public busy_task {
  public:
    host_that_connects(neighbourhood& at, unsigned number)
        : busy_task(at), name_("new-" + std::to_string(number)), turns_to_wait_(number * 50) {}

  private:
    /// Not all begin at once, or they would go in step from one look at descriptors to the next.
    core::task<> stagger() {
        for (unsigned turns = std::exchange(turns_to_wait_, 0); turns > 0; --turns)
            co_await core::yield();
    }
    core::task<bool> once() override {
        co_await stagger();
        host::controller c(at_.by->connector(), at_.host(name_, 1));
        if (const auto connected = co_await c.connect(); !connected)
            co_return false;
        co_await vanish(c);
        co_return true;
    }
    const std::string name_;
    unsigned turns_to_wait_;
};

/// Connects to the management interface, asks, reads the answer and goes.
class operator_who_asks : public busy_task {
  public:
    using busy_task::busy_task;

  private:
    core::task<bool> once() override {
        management_client c(at_.managed.path());
        if (!c.send(management_client::question))
            co_return false;
        while (!c.answered())
            co_await core::yield();
        co_return !c.closed();
    }
};

maker host_that_works(unsigned depth, piece_of_work w) {
    return [=](neighbourhood& n) { return std::make_unique<busy_host>(n, n.host("good", 1), depth, std::vector{w}); };
}

std::unique_ptr<party> make_keep_alive(neighbourhood& n) {
    auto o = n.host("good", 0);
    o.kato_ms = 10'000;
    return std::make_unique<busy_host>(n, std::move(o), 1, std::vector{piece_of_work{nvme::make_keep_alive()}});
}

std::unique_ptr<party> make_discovery(neighbourhood& n) {
    auto o = n.host("good", 0);
    o.subnqn = nvme::discovery_nqn;
    return std::make_unique<busy_host>(
        n, std::move(o), 1, std::vector{piece_of_work{nvme::make_get_log_page(nvme::lid::discovery, 2048), 2048}});
}

std::unique_ptr<party> make_asking(neighbourhood& n) {
    return std::make_unique<crowd>(n, 3, [&n](unsigned) { return std::make_unique<operator_who_asks>(n); });
}

}  // namespace

bystander fused_pairs() {
    auto w = block_work(io_opcode::compare, good_nsid);
    w.fused_with_a_write = true;
    return {"fused_pairs", host_that_works(16, w)};
}

bystander connect_and_enable() {
    const auto make = [](neighbourhood& n) {
        return std::make_unique<crowd>(n, 6, [&n](unsigned i) { return std::make_unique<host_that_connects>(n, i); });
    };
    return {"connect_and_enable", make, 4000};
}

std::vector<bystander> all_bystanders() {
    return {
        {"reads", host_that_works(32, block_work(io_opcode::read, good_nsid))},
        {"writes", host_that_works(32, block_work(io_opcode::write, good_nsid))},
        {"writes_that_do_not_fit_into_a_capsule", host_that_works(32, block_work(io_opcode::write, good_nsid, 8192))},
        fused_pairs(),
        connect_and_enable(),
        {"keep_alive", make_keep_alive},
        {"get_log_page_of_discovery", make_discovery},
        {"rpc", make_asking, 4000},
    };
}

bystander deep_reads() {
    return {"deep_reads", host_that_works(127, block_work(io_opcode::read, good_nsid))};
}

}  // namespace causeway::neighbours
