// SPDX-License-Identifier: Apache-2.0
// What commands get in each ANA state, and when it changes under them.

#include "nvmf/testing/ana_fixture.h"

namespace causeway::nvmf::test {
namespace {

using nvme::ana_state;
using nvme::fuse;
using nvme::io_opcode;
using namespace std::chrono_literals;

constexpr ana_state all_states[] = {ana_state::optimized, ana_state::non_optimized, ana_state::inaccessible,
                                    ana_state::change, ana_state::persistent_loss};

/// By the specification's name of the status.
status expected(ana_state s) {
    switch (s) {
    case ana_state::inaccessible: return sc::asymmetric_access_inaccessible;
    case ana_state::persistent_loss: return sc::asymmetric_access_persistent_loss;
    case ana_state::change: return sc::asymmetric_access_transition;
    default: return sc::success;
    }
}

class ana_access : public ana_fixture {};

bytes one_source() {
    nvme::copy_range from{};
    from.slba = 100;
    return raw(from);
}

TEST_F(ana_access, each_state_answers_each_command_by_its_own_status) {
    nvme::command deallocate = io(io_opcode::dataset_management, 1);
    deallocate.cdw10 = 0;
    deallocate.cdw11 = 4;
    struct {
        const char* sentence;
        nvme::command command;
        bytes data;
    } const rows[] = {
        {"a read", io(io_opcode::read, 1), bytes(512)},
        {"a write", io(io_opcode::write, 1), filled(512, 0)},
        {"a compare", io(io_opcode::compare, 1), filled(512, 0)},
        {"a flush", io(io_opcode::flush, 1), {}},
        {"a flush of all namespaces", io(io_opcode::flush, nvme::broadcast_nsid), {}},
        {"a Write Zeroes", io(io_opcode::write_zeroes, 1), {}},
        {"a verify", io(io_opcode::verify, 1), {}},
        {"a deallocation", deallocate, raw(nvme::dsm_range{.nlb = 1, .slba = 0})},
        {"a Copy", io(io_opcode::copy, 1), one_source()},
    };
    for (const ana_state state : all_states) {
        EXPECT_EQ(set(state), 0);
        read_log(near);
        for (const auto& row : rows) {
            SCOPED_TRACE(std::string(row.sentence) + ", " + std::string(to_string(state)));
            const capsule& c = near.queues[0]->call(row.command, row.data);
            EXPECT_EQ(c.status().with_more(false), expected(state)) << "without Do Not Retry: another path may be good";
            EXPECT_EQ(far.queues[0]->call(row.command, row.data).status(), sc::success) << "by the other listener";
        }
        EXPECT_EQ(read(near, 2), sc::success) << "of the other group";
    }
}

TEST_F(ana_access, a_change_leads_from_every_state_to_every_other_but_out_of_persistent_loss) {
    std::uint32_t group = 0;
    for (const ana_state from : all_states)
        for (const ana_state to : all_states) {
            SCOPED_TRACE(std::string(to_string(from)) + " to " + std::string(to_string(to)));
            group = group % 8 + 1;
            transport_address at{"FAKE", "IPv4", "10.1.0.1", std::to_string(1000 + group)};
            static_cast<void>(w.run(s->listeners().remove(at)));
            ASSERT_TRUE(w.run(s->listeners().add(at, {}, from)));
            const bool final = from == ana_state::persistent_loss && to != from;
            EXPECT_EQ(set(to, group, at), final ? EINVAL : 0);
            EXPECT_EQ(set(to, 0, at), final ? EINVAL : 0);
        }
}

TEST_F(ana_access, of_a_namespaces_own_features_is_that_of_its_commands) {
    const auto set_mask = [&](host& h, std::uint32_t nsid) {
        return h.admin->call(set_features(nvme::fid::reservation_notification_mask, 2, nsid)).status().with_more(false);
    };
    for (const ana_state state : all_states) {
        SCOPED_TRACE(to_string(state));
        set(state);
        EXPECT_EQ(set_mask(near, 1), expected(state));
        EXPECT_EQ(set_mask(near, nvme::broadcast_nsid), expected(state));
        EXPECT_EQ(set_mask(near, 2), sc::success);
        EXPECT_EQ(set_mask(far, 1), sc::success);
    }
}

TEST_F(ana_access, is_refused_before_data_move) {
    set(ana_state::inaccessible);
    EXPECT_TRUE(near.queues[0]->call(io(io_opcode::write, 1), bytes(512)).refused);
}

TEST_F(ana_access, of_a_new_listener_is_what_it_was_made_with) {
    const transport_address third{"FAKE", "IPv4", "10.0.0.3", "4420"};
    ASSERT_TRUE(w.run(s->listeners().add(third, {}, ana_state::inaccessible)));
    w.hosts_connect_to = third;
    host late = w.make_host(host_b, 1);
    EXPECT_EQ(read(late), sc::asymmetric_access_inaccessible);
    EXPECT_EQ(read(near), sc::success);
    w.make_memory("new");
    const std::uint32_t nsid = w.add(*s, "new");
    EXPECT_EQ(read(late, nsid), sc::asymmetric_access_inaccessible) << "of a namespace that comes later, too";
    EXPECT_TRUE(w.run(s->listeners().remove(third)));
    EXPECT_TRUE(w.until([&] { return refusal_bits() + refusal_bits(nsid) == 0; })) << "nobody asks for it any more";
}

// ---- A change under commands.

TEST_F(ana_access, of_a_command_whose_data_come_after_the_change_is_the_new_states) {
    capsule& plain = hold(*near.queues[0], io(io_opcode::write, 1), filled(512, 9));
    capsule& compare = hold(*near.queues[1], fused(io(io_opcode::compare, 1), fuse::first), filled(512, 0));
    capsule& swap = hold(*near.queues[1], fused(io(io_opcode::write, 1), fuse::second), filled(512, 9));
    set(ana_state::inaccessible);
    EXPECT_EQ(execute(plain), sc::asymmetric_access_inaccessible);
    near.queues[1]->execute_held(compare);
    EXPECT_EQ(execute(swap), sc::aborted_failed_fused);
    EXPECT_EQ(compare.status().with_more(false), sc::asymmetric_access_inaccessible);
    EXPECT_EQ(far.queues[0]->call(io(io_opcode::read, 1), bytes(512)).data[0], std::byte{0});
}

TEST_F(ana_access, of_a_command_that_runs_when_it_changes_is_what_it_was) {
    other->add_rule({.what = bdev::fault_rule::kind::hang, .times = 1});
    capsule& running = near.queues[0]->send(io(io_opcode::write, 2), filled(512, 9));
    ASSERT_TRUE(w.until([&] { return other->hung() == 1; }));
    EXPECT_EQ(set(ana_state::inaccessible, 2), 0) << "the change does not wait for it";
    EXPECT_EQ(read(near, 2), sc::asymmetric_access_inaccessible);
    w.run(other->release_hung());
    ASSERT_TRUE(w.until([&] { return running.answered; }));
    EXPECT_EQ(running.status(), sc::success);
}

TEST_F(ana_access, of_a_deallocation_is_looked_at_before_each_range) {
    EXPECT_EQ(near.queues[0]->call(io(io_opcode::write, 2, 0, 3), filled(3 * 512, 1)).status(), sc::success);
    other->add_rule({.what = bdev::fault_rule::kind::hang, .times = 1});
    nvme::command deallocate = io(io_opcode::dataset_management, 2);
    deallocate.cdw10 = 2;
    deallocate.cdw11 = 4;
    bytes ranges;
    for (std::uint64_t block = 0; block < 3; ++block)
        std::ranges::copy(raw(nvme::dsm_range{.nlb = 1, .slba = block}), std::back_inserter(ranges));
    capsule& running = near.queues[0]->send(deallocate, ranges);
    ASSERT_TRUE(w.until([&] { return other->hung() == 1; }));
    set(ana_state::inaccessible, 2);
    w.run(other->release_hung());
    ASSERT_TRUE(w.until([&] { return running.answered; }));
    EXPECT_EQ(running.status().with_more(false), sc::asymmetric_access_inaccessible);
    bytes content = filled(3 * 512, 1);
    std::fill_n(content.begin(), 512, std::byte{});
    EXPECT_EQ(far.queues[0]->call(io(io_opcode::read, 2, 0, 3), bytes(3 * 512)).data, content);
}

// ---- Away and back.

TEST_F(ana_access, comes_back_to_a_controller_with_the_log) {
    capsule& old = hold(*near.queues[0], io(io_opcode::write, 1), filled(512, 9));
    set(ana_state::inaccessible);
    EXPECT_EQ(write(far, 1, 5), sc::success) << "the host writes by another path meanwhile";
    set(ana_state::optimized);
    EXPECT_EQ(execute(old), sc::asymmetric_access_transition);
    EXPECT_EQ(write(near), sc::asymmetric_access_transition) << "nor does what comes now run";
    EXPECT_EQ(far.queues[0]->call(io(io_opcode::read, 1), bytes(512)).data[0], std::byte{5});

    host fresh = w.make_host(host_a, 1);
    EXPECT_EQ(write(fresh, 1, 6), sc::success) << "a new controller has nothing old";
    EXPECT_EQ(refusal_bits(), w.sim.group().size());
    read_log(near, 16, true);
    EXPECT_EQ(write(near, 1, 7), sc::success);
    EXPECT_TRUE(w.until([&] { return refusal_bits() == 0; })) << "everybody has read it";
    EXPECT_EQ(write(near, 1, 8), sc::success);
}

TEST_F(ana_access, is_not_given_by_a_log_that_was_read_before_the_group_came_back) {
    set(ana_state::inaccessible);
    read_log(near);
    set(ana_state::non_optimized);
    EXPECT_EQ(read(near), sc::asymmetric_access_transition);
    set(ana_state::optimized);
    EXPECT_EQ(read(near), sc::asymmetric_access_transition);
    read_log(far);
    EXPECT_EQ(read(near), sc::asymmetric_access_transition) << "it was another controller's log";
    read_log(near);
    EXPECT_EQ(read(near), sc::success);
    set(ana_state::non_optimized);
    EXPECT_EQ(read(near), sc::success) << "the group was never away";
}

TEST_F(ana_access, is_settled_when_who_has_not_read_the_log_is_gone) {
    host quiet = w.make_host(host_b, 1);
    set(ana_state::change);
    set(ana_state::optimized);
    read_log(near);
    w.pass(1ms);
    EXPECT_EQ(refusal_bits(), w.sim.group().size());
    quiet.admin->drop();
    quiet.queues[0]->drop();
    EXPECT_TRUE(w.until([&] { return refusal_bits() == 0; }));
}

TEST_F(ana_access, of_a_namespace_that_moves_follows_its_group) {
    set(ana_state::inaccessible, 1);
    EXPECT_EQ(move(1, 3), 0);
    EXPECT_EQ(read(near), sc::asymmetric_access_transition) << "it was away";
    EXPECT_EQ(read(far), sc::success);
    read_log(near);
    EXPECT_EQ(read(near), sc::success);
    EXPECT_EQ(move(1, 2), 0);
    EXPECT_EQ(read(near), sc::success);
    EXPECT_EQ(move(2, 1), 0);
    EXPECT_EQ(read(near, 2), sc::asymmetric_access_inaccessible);
    EXPECT_EQ(move(9, 1), ENODEV);
    EXPECT_EQ(move(1, 9), EINVAL);
    EXPECT_EQ(move(1, 0), EINVAL);
}

// ---- Connections.

TEST_F(ana_access, is_one_listeners_so_that_all_queues_come_by_it) {
    connection& q = w.connect_to(0, elsewhere);
    const capsule& c = q.call(connect(3, 31), raw(connect_data(subsystem_nqn, host_a, near.cntlid)));
    EXPECT_TRUE(c.status().is(sc::connect_invalid_parameters)) << nvme::to_string(c.status());
    EXPECT_FALSE(c.status().dnr());
    EXPECT_EQ(
        w.connect_to(0, here).call(connect(3, 31), raw(connect_data(subsystem_nqn, host_a, near.cntlid))).status(),
        sc::success);
}

TEST_F(ana_access, is_not_asked_for_where_it_is_not_reported) {
    subsystem& plain = w.make_subsystem("nqn.2024-01.io.example:plain");
    EXPECT_EQ(code(w.run(plain.ana().set_state(here, ana_state::inaccessible, 0))), EINVAL);
    EXPECT_EQ(code(w.run(plain.ana().move_namespace(1, 2))), EINVAL);
    ASSERT_TRUE(w.run(plain.listeners().add(elsewhere)));
    host h = w.make_host(host_a, 1, plain.nqn());
    EXPECT_TRUE(w.connect_to(0, elsewhere)
                    .call(connect(2, 31), raw(connect_data(plain.nqn(), host_a, h.cntlid)))
                    .status()
                    .ok());
}

// ---- Every order.

/// Counts what reaches it.
class counting_device final : public bdev::device {
  public:
    using device::device;
    std::string_view product_name() const noexcept override { return "counts"; }
    void submit(bdev::io& i) noexcept override {
        ++started;
        i.complete(sc::success);
    }
    unsigned started = 0;
};

class ana_orders : public testing::TestWithParam<std::uint64_t> {};

/// Commands of four queues on three cores meet a change in an order drawn from the seed.
TEST_P(ana_orders, nothing_runs_by_the_old_state_after_the_changes_answer) {
    nvmf_fixture w(GetParam());
    subsystem_options o;
    o.nqn = subsystem_nqn;
    o.allow_any_host = o.ana_reporting = true;
    subsystem& s = **w.run(w.target.create_subsystem(o));
    ASSERT_TRUE(w.run(s.listeners().add(here)));
    const bdev::device_geometry g{.block_size = 512, .blocks = 100};
    const auto disk = std::make_shared<counting_device>(
        w.sim.group(), "counts", g, bdev::device_capabilities{.ops = ~0u}, bdev::uuid_of_name("counts"));
    ASSERT_TRUE(w.devices.add(disk));
    w.add(s, "counts");
    host h = w.make_host(host_a, 4);

    unsigned ran = 0;
    for (int round = 0; round < 6; ++round) {
        std::vector<capsule*> sent;
        const auto send_some = [&] {
            for (connection* q : h.queues)
                for (int i = 0; i < 4; ++i)
                    sent.push_back(&q->send(io(io_opcode::write, 1), bytes(512)));
        };
        send_some();
        const bool away = round % 2 == 0;
        ASSERT_TRUE(w.run(s.ana().set_state(here, away ? ana_state::inaccessible : ana_state::optimized, 0)));
        const unsigned started = disk->started;
        send_some();
        ASSERT_TRUE(w.until([&] { return std::ranges::all_of(sent, [](capsule* c) { return c->answered; }); }));
        EXPECT_EQ(disk->started, started) << "none after the answer; nor back before the log is read";
        for (const capsule* c : sent)
            ran += c->status().ok();
        EXPECT_EQ(ran, disk->started) << "what ran has succeeded, and nothing else has";
        if (!away)
            h.admin->call(get_log_page(nvme::lid::ana, 512));
    }
}

INSTANTIATE_TEST_SUITE_P(seeds, ana_orders, testing::Range<std::uint64_t>(1, 21));

}  // namespace
}  // namespace causeway::nvmf::test
