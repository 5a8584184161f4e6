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

}  // namespace
}  // namespace causeway::nvmf::test
