// SPDX-License-Identifier: Apache-2.0
// The same as elsewhere here, but on threads: for what only ThreadSanitizer can see.

#include "core/testing/core_fixture.h"
#include "core/thread_runner.h"
#include "nvmf/testing/target_fixture.h"

#include <atomic>
#include <deque>
#include <thread>

namespace causeway::nvmf::test {
namespace {

/// A queue pair whose host sends the next command as soon as it has an answer. Touched on its reactor alone.
class busy_qpair final : public qpair {
  public:
    struct slot : request {
        std::vector<std::byte> data = std::vector<std::byte>(8192);
        bool idle = true;
        bool deferred = false;
    };

    busy_qpair(core::reactor& home, nvmf::target& t) : qpair(home), target_(t) {
        for (std::size_t i = 0; i < slots_.size(); ++i) {
            slots_[i].qpair = this;
            slots_[i].command.cid = static_cast<std::uint16_t>(i);
        }
    }

    /// A command for slot 0, and what becomes of it.
    void call(nvme::command c, bytes data, std::function<void(slot&)> done) {
        done_ = std::move(done);
        send(slots_[0], c, data);
    }
    /// From now on every slot is busy with what `next` says.
    void work(std::function<nvme::command()> next) {
        next_ = std::move(next);
        for (slot& s : slots_)
            if (s.idle)
                send(s, next_(), {});
    }

    void respond(request& r) noexcept override {
        slot& s = static_cast<slot&>(r);
        s.idle = true;
        answers.fetch_add(1, std::memory_order_relaxed);
        if (auto done = std::exchange(done_, {}))
            done(s);
        else if (next_ && !parting_)
            home().execute([this, &s] {
                if (!parting_ && s.idle)
                    send(s, next_(), {});
            });
    }
    void resume(request& r) noexcept override { on_begun(static_cast<slot&>(r), {}); }
    void disconnect(disconnect_reason) noexcept override {
        if (!std::exchange(parting_, true))
            core::detach(part());
    }
    bool abort_waiting(std::uint16_t) noexcept override { return false; }
    transport_address local_address() const override { return here; }
    transport_address peer_address() const override { return elsewhere; }
    std::string_view transport_name() const noexcept override { return "FAKE"; }

    std::atomic<std::uint64_t> answers{0};
    std::atomic<bool> gone{false};

  private:
    void send(slot& s, nvme::command c, const bytes& data) {
        c.cid = s.command.cid;
        s.command = c;
        s.idle = false;
        std::copy(data.begin(), data.end(), s.data.begin());
        on_begun(s, target_.begin(s));
    }
    void on_begun(slot& s, nvme::status begun) {
        s.deferred = begun == deferred;
        if (s.deferred)
            return;
        if (!begun.ok()) {
            s.set_status(begun);
            return respond(s);
        }
        s.segments[0] = {s.data.data(), s.length};
        s.segment_count = 1;
        target_.execute(s);
    }
    core::task<> part() {
        co_await core::yield();
        for (slot& s : slots_)
            if (std::exchange(s.deferred, false))
                target_.abandon(s);
        co_await target_.detach(*this);
        gone = true;
    }

    nvmf::target& target_;
    std::array<slot, 4> slots_;
    std::function<void(slot&)> done_;
    std::function<nvme::command()> next_;
    bool parting_ = false;
};

class threads : public testing::Test {
  protected:
    core::tsc_clock time;
    core::test::inline_executor blocking;
    core::reactor_group group{{0, 1, 2}, time, blocking};
    core::placement homes{group};
    bdev::registry devices{group};
    nvmf::target target{homes, devices};
    core::thread_runner runner{group};
    std::deque<busy_qpair> qpairs;
    std::shared_ptr<const port> listening;

    template <class T>
    T control(std::function<core::task<T>()> make) {
        std::promise<T> value;
        group.control().execute([&] { core::detach(make(), [&](T v) { value.set_value(std::move(v)); }); });
        return value.get_future().get();
    }
    busy_qpair& connect_queue(std::size_t core, std::uint16_t qid, std::uint16_t cntlid, std::uint32_t& dw0) {
        auto& q = qpairs.emplace_back(group[core], target);
        q.port = listening;
        dw0 = call(q, connect(qid), raw(connect_data(subsystem_nqn, host_a, cntlid)));
        return q;
    }
    std::uint32_t call(busy_qpair& q, nvme::command c, bytes data = {}) {
        std::promise<std::uint32_t> answer;
        q.home().execute([&] {
            q.call(c, data, [&](busy_qpair::slot& s) {
                EXPECT_TRUE(s.status().ok()) << nvme::to_string(s.status());
                answer.set_value(s.completion.dw0);
            });
        });
        return answer.get_future().get();
    }
};

TEST_F(threads, io_admin_and_control_at_once) {
    auto made = std::make_unique<fake_transport>();
    const fake_transport& fabric = *made;
    core::thread_runner::call(group.control(), [&] { EXPECT_TRUE(target.add_transport(std::move(made))); });
    subsystem_options o;
    o.nqn = subsystem_nqn;
    o.allow_any_host = true;
    o.ana_reporting = true;
    subsystem& s = *control<core::result<subsystem*>>([&] { return target.create_subsystem(o); }).value();
    ASSERT_TRUE(control<core::result<>>([&] { return s.listeners().add(here); }));
    core::thread_runner::call(group.control(), [&] { listening = fabric.port_at(here); });
    core::thread_runner::call(group.control(), [&] {
        for (const char* name : {"still", "restless"})
            EXPECT_TRUE(devices.add(std::make_shared<bdev::null_device>(
                group, name, bdev::device_geometry{.block_size = 512, .blocks = 1000}, bdev::uuid_of_name(name))));
    });
    ASSERT_TRUE(
        control<core::result<std::uint32_t>>([&] { return s.namespaces().add({.bdev_name = "still", .nsid = 1}); }));

    std::uint32_t cntlid = 0, ignored = 0;
    busy_qpair& admin_queue = connect_queue(1, 0, 0xffff, cntlid);
    call(admin_queue, property_set(nvme::property::cc, nvme::cc().set_iosqes(6).set_iocqes(4).set_en(true).value));
    call(admin_queue, set_features(nvme::fid::async_event_configuration, 0x100));
    for (std::uint16_t qid = 1; qid <= 4; ++qid)
        connect_queue(qid % 3, qid, static_cast<std::uint16_t>(cntlid), ignored);

    const auto io_mix = [] {
        static thread_local unsigned n = 0;
        ++n;
        const std::uint32_t nsid = n % 3 + 1;  // 3 does not exist: the error log is written to
        return n % 5 ? io(nvme::io_opcode::read, nsid, n % 1000) : io(nvme::io_opcode::flush, ~0u);
    };
    const auto admin_mix = [n = 0u]() mutable {
        switch (++n % 7) {
        case 0: return get_log_page(nvme::lid::error_information, 4096);
        case 1: return get_log_page(nvme::lid::smart, 512);
        case 2: return get_log_page(nvme::lid::changed_namespace_list, 4096);
        case 3: return abort(static_cast<std::uint16_t>(n % 5), 1);
        case 4: return admin(nvme::admin_opcode::keep_alive);
        case 5: return get_log_page(nvme::lid::ana, 512);
        default: return identify(nvme::cns::ns, 2);
        }
    };
    for (busy_qpair& q : qpairs)
        q.home().execute([&] { &q == &admin_queue ? q.work(admin_mix) : q.work(io_mix); });
    const auto limit = [&](const char* name, bdev::rate_limits l) {
        control<bool>([&]() -> core::task<bool> {
            co_await devices.find(name)->set_limits(l);
            co_return true;
        });
    };
    for (int round = 0; round < 30; ++round) {
        limit("still", {.rw_ios_per_sec = round % 3 * 20'000u});
        limit("restless", {.rw_ios_per_sec = round % 2 * 50'000u});
        EXPECT_TRUE(control<core::result<std::uint32_t>>(
            [&] { return s.namespaces().add({.bdev_name = "restless", .nsid = 2}); }));
        core::thread_runner::call(group.control(),
                                  [&] { devices.find("restless")->set_blocks(500 + static_cast<unsigned>(round)); });
        const auto state = round % 2 ? nvme::ana_state::optimized : nvme::ana_state::inaccessible;
        EXPECT_TRUE(control<core::result<>>([&] { return s.ana().set_state(here, state, 0); }));
        EXPECT_TRUE(control<core::result<>>([&] { return s.ana().move_namespace(1, 1 + round % 3); }));
        EXPECT_TRUE(control<core::result<>>([&] { return s.namespaces().remove(2); }));
        core::thread_runner::call(group.control(), [&] { s.controllers().all().begin()->second->qpairs(); });
    }
    limit("still", {.rw_ios_per_sec = 100'000});
    EXPECT_TRUE(core::test::eventually(
        [&] { return std::all_of(qpairs.begin(), qpairs.end(), [](auto& q) { return q.answers > 1000; }); }));
    control<bool>([&]() -> core::task<bool> {
        co_await target.shutdown();
        co_return true;
    });
    EXPECT_TRUE(core::test::eventually(
        [&] { return std::all_of(qpairs.begin(), qpairs.end(), [](auto& q) { return q.gone.load(); }); }));
    runner.stop();
}

}  // namespace
}  // namespace causeway::nvmf::test
