// SPDX-License-Identifier: Apache-2.0
// A change of a reservation: enforced, then stored, then answered; and a store that others change, too.

#include "nvmf/model/namespace_reservation.h"

#include "core/event.h"
#include "nvmf/testing/reservation_fixture.h"

namespace causeway::nvmf::test {
namespace {

using nvme::io_opcode;
using nvme::reservation_type;

/// What several namespaces refer to as if each were another gateway's.
struct shared_memory {
    reservation::store::version kept;
    core::event may_write;
    int failures = 0;  ///< of the next changes
};

class shared_store final : public reservation::store {
  public:
    explicit shared_store(shared_memory& memory) : memory_(memory) {}
    bool can_persist() const noexcept override { return true; }
    core::task<core::result<version>> load() override { co_return memory_.kept; }
    core::task<core::result<std::uint64_t>> replace(std::uint64_t expected, reservation::state next) override {
        co_await memory_.may_write.wait();
        if (memory_.failures > 0 && memory_.failures-- > 0)
            co_return core::fail(EIO, "the store is broken");
        if (expected != memory_.kept.number)
            co_return core::fail(ESTALE, "it is another version");
        memory_.kept.state = std::move(next);
        co_return ++memory_.kept.number;
    }

  private:
    shared_memory& memory_;
};

/// Two namespaces whose reservations are kept in one place; hosts of the first, unless a test says otherwise.
class stored_reservation : public testing::Test {
  protected:
    shared_memory memory;
    nvmf_fixture w{1, 3, options()};
    subsystem& s = w.make_subsystem();
    host holder, other;

    target_options options() {
        target_options o;
        o.reservation_stores = [this](core::reactor_group&, bdev::device&, const std::string&) {
            return std::make_unique<shared_store>(memory);
        };
        return o;
    }
    void SetUp() override {
        w.make_memory("disk");
        w.make_memory("same disk elsewhere");
        w.add(s, "disk");
        w.add(s, "same disk elsewhere");
        holder = w.make_host(host_a);
        other = w.make_host(host_b);
        w.at_control([&] { memory.may_write.set(); });
        EXPECT_EQ(register_key(holder, 1), sc::success);
    }
    status write(const host& h, std::uint32_t nsid = 1) {
        return h.queues[0]->call(io(io_opcode::write, nsid), bytes(512)).status().with_more(false);
    }
    capsule& send(io_opcode op, const bytes& data) {
        return holder.queues[0]->send(reservation_command(op, 0, reservation_type::exclusive_access), data);
    }
    void hold_writes() {
        w.at_control([&] { memory.may_write.reset(); });
    }
    void finish(capsule& c) {
        w.at_control([&] { memory.may_write.set(); });
        EXPECT_TRUE(w.until([&] { return c.answered; }));
    }
};

const status conflict = sc::reservation_conflict.with_dnr();
const bytes acquire_data = raw(nvme::reservation_acquire_data{.crkey = 1, .prkey = 0});
const bytes release_data = raw(nvme::reservation_release_data{.crkey = 1});

TEST_F(stored_reservation, is_enforced_before_it_is_stored_and_answered_after_that) {
    hold_writes();
    capsule& acquired = send(io_opcode::reservation_acquire, acquire_data);
    w.pass(std::chrono::milliseconds(10));
    EXPECT_FALSE(acquired.answered);
    EXPECT_EQ(write(other), conflict);
    EXPECT_EQ(write(holder), sc::success);
    finish(acquired);
    EXPECT_EQ(acquired.status(), sc::success);
}

TEST_F(stored_reservation, is_enforced_until_its_release_is_stored) {
    finish(send(io_opcode::reservation_acquire, acquire_data));
    hold_writes();
    capsule& released = send(io_opcode::reservation_release, release_data);
    w.pass(std::chrono::milliseconds(10));
    EXPECT_FALSE(released.answered);
    EXPECT_EQ(write(other), conflict);
    finish(released);
    EXPECT_EQ(write(other), sc::success);
}

TEST_F(stored_reservation, stays_as_it_was_where_it_cannot_be_stored) {
    memory.failures = 1;
    EXPECT_EQ(acquire(holder, 1, reservation_type::exclusive_access), sc::internal_error);
    EXPECT_EQ(write(other), sc::success);

    EXPECT_EQ(acquire(holder, 1, reservation_type::exclusive_access), sc::success);
    memory.failures = 1;
    EXPECT_EQ(release(holder, 1, reservation_type::exclusive_access), sc::internal_error);
    EXPECT_EQ(write(other), conflict);
}

TEST_F(stored_reservation, is_read_again_where_another_gateway_has_changed_it) {
    EXPECT_EQ(acquire(holder, 1, reservation_type::exclusive_access), sc::success);
    EXPECT_EQ(write(other, 2), sc::success) << "nobody has told it";
    nvme::command c = reservation_command(io_opcode::reservation_register, 0, reservation_type::none, 2);
    EXPECT_EQ(other.queues[0]->call(c, raw(nvme::reservation_register_data{.crkey = 0, .nrkey = 2})).status(),
              sc::success);
    EXPECT_EQ(memory.kept.state.registrants.size(), 2u) << "the change was made of what the other one had stored";
    EXPECT_EQ(write(other, 2), conflict);
    EXPECT_EQ(write(holder, 2), sc::success);
}

TEST_F(stored_reservation, ends_with_its_namespace_while_it_is_being_stored) {
    hold_writes();
    capsule& acquired = send(io_opcode::reservation_acquire, acquire_data);
    w.pass(std::chrono::milliseconds(1));
    EXPECT_TRUE(w.run(s.namespaces().remove(1)));
    finish(acquired);
}

TEST_F(stored_reservation, is_not_reported_once_its_namespace_is_being_removed) {
    hold_writes();
    capsule& acquired = send(io_opcode::reservation_acquire, acquire_data);
    w.pass(std::chrono::milliseconds(1));
    nvme::command c = command(nvme::to_underlying(io_opcode::reservation_report), 1);
    c.cdw10 = 64 / 4 - 1;
    c.cdw11 = 1u;
    capsule& reported = other.queues[0]->send(c, bytes(64));
    w.pass(std::chrono::milliseconds(1));
    EXPECT_FALSE(reported.answered) << "it waits for the change";
    EXPECT_TRUE(w.run(s.namespaces().remove(1)));
    finish(acquired);
    EXPECT_TRUE(w.until([&] { return reported.answered; }));
    EXPECT_EQ(reported.status().with_more(false), sc::invalid_namespace_or_format.with_dnr());
}

TEST_F(stored_reservation, ends_commands_with_preempt_and_abort_where_its_namespace_is_being_removed) {
    EXPECT_EQ(register_key(other, 2), sc::success);
    const auto disk = w.make_faulty("hanging");
    w.add(s, "hanging", 3);  // the same store, as it is now
    disk->add_rule({.what = bdev::fault_rule::kind::hang, .times = 1});
    capsule& hanging = other.queues[0]->send(io(io_opcode::write, 3), bytes(512));
    EXPECT_TRUE(w.until([&] { return disk->hung() == 1; }));
    hold_writes();
    capsule& preempted = holder.queues[0]->send(
        reservation_command(io_opcode::reservation_acquire, 2, reservation_type::exclusive_access, 3),
        raw(nvme::reservation_acquire_data{.crkey = 1, .prkey = 2}));
    w.pass(std::chrono::milliseconds(1));
    EXPECT_TRUE(w.run(s.namespaces().remove(3)));
    w.at_control([&] { memory.may_write.set(); });
    w.pass(std::chrono::seconds(1));
    EXPECT_FALSE(preempted.answered);
    EXPECT_FALSE(hanging.answered);
    w.at_control([&] { core::detach(disk->release_hung()); });
    finish(preempted);
    EXPECT_EQ(preempted.status().with_more(false), sc::success);
    EXPECT_TRUE(hanging.answered);
}

/// What gateways share, as the store of one of them sees it.
struct shared_place {
    reservation::version kept;
    reservation::store_observer* observer = nullptr;
    core::event may_confirm;
    unsigned asked = 0;                                ///< confirmations
    std::vector<reservation::notification> announced;  ///< by other gateways
    bool answer_is_lost = false;                       ///< of the next change, which is stored
};

class confirmed_store final : public reservation::store {
  public:
    explicit confirmed_store(shared_place& place) : place_(place) {}
    bool can_persist() const noexcept override { return true; }
    bool is_shared() const noexcept override { return true; }
    void observe(reservation::store_observer& o) override { place_.observer = &o; }
    core::task<core::result<version>> load() override { co_return place_.kept; }
    core::task<core::result<std::uint64_t>> replace(std::uint64_t expected, reservation::state next) override {
        if (expected != place_.kept.number)
            co_return core::fail(ESTALE, "it is another version");
        place_.kept = {std::move(next), expected + 1};
        if (std::exchange(place_.answer_is_lost, false))
            co_return core::fail(ETIMEDOUT, "nobody has answered");
        co_return place_.kept.number;
    }
    core::task<core::result<reservation::confirmation>> confirm(std::vector<reservation::notification> notifications,
                                                                bool) override {
        ++place_.asked;
        co_await place_.may_confirm.wait();
        place_.announced.insert(place_.announced.end(), notifications.begin(), notifications.end());
        const reservation::confirmation all{place_.kept.number, true};
        co_return all;
    }

  private:
    shared_place& place_;
};

class confirmed_reservation : public testing::Test {
  protected:
    shared_place place;
    nvmf_fixture w{1, 3, options()};
    subsystem& s = w.make_subsystem();
    host holder, other;

    target_options options() {
        target_options o;
        o.reservation_stores = [this](core::reactor_group&, bdev::device&, const std::string&) {
            return std::make_unique<confirmed_store>(place);
        };
        return o;
    }
    void SetUp() override {
        w.make_memory("disk");
        w.add(s, "disk");
        holder = w.make_host(host_a);
        other = w.make_host(host_b);
        w.at_control([&] { place.may_confirm.set(); });
        EXPECT_EQ(register_key(holder, 1), sc::success);
        EXPECT_EQ(register_key(other, 2), sc::success);
    }
    status write(const host& h) {
        return h.queues[0]->call(io(io_opcode::write, 1), bytes(512)).status().with_more(false);
    }
};

TEST_F(confirmed_reservation, is_settled_again_where_it_is_lost_while_others_confirm) {
    unsigned before = 0;
    w.at_control([&] {
        place.answer_is_lost = true;
        place.may_confirm.reset();
        before = place.asked;
    });
    EXPECT_EQ(acquire(holder, 1, reservation_type::exclusive_access), sc::internal_path_error);
    EXPECT_TRUE(w.until([&] { return place.asked > before; }));
    w.at_control([&] { core::detach(place.observer->lost()); });
    EXPECT_TRUE(w.until([&] { return write(holder) == sc::internal_path_error; }));
    w.at_control([&] { place.may_confirm.set(); });
    w.pass(std::chrono::seconds(10));
    EXPECT_EQ(write(holder), sc::success);
    EXPECT_EQ(write(other), conflict);
}

TEST_F(confirmed_reservation, is_announced_where_it_is_found_only_later_that_it_has_been_stored) {
    w.at_control([&] { place.answer_is_lost = true; });
    EXPECT_EQ(preempt(holder, 1, 2, reservation_type::exclusive_access), sc::internal_path_error);
    w.pass(std::chrono::seconds(10));
    ASSERT_EQ(place.announced.size(), 1u);
    EXPECT_EQ(place.announced[0].notice, nvme::reservation_notice::registration_preempted);
    const auto page = other.admin->call_for(get_log_page(nvme::lid::reservation_notification, 64), 64)
                          .page<nvme::reservation_notification_log>();
    EXPECT_EQ(page.count, 1u);
    EXPECT_EQ(page.type, nvme::to_underlying(nvme::reservation_notice::registration_preempted));
    EXPECT_EQ(page.nalp, 0u) << "once";
}

}  // namespace
}  // namespace causeway::nvmf::test
