// SPDX-License-Identifier: Apache-2.0
#include "nvmf/command/authentication.h"

#include "nvmf/model/queue_authentication.h"
#include "nvmf/testing/dhchap_host.h"
#include "nvmf/testing/target_fixture.h"

#include <bit>

namespace causeway::nvmf::test {
namespace {

using namespace std::chrono_literals;
using state = auth_exchange::state;

constexpr std::uint32_t kato_ms = 10'000;
constexpr std::uint32_t atr = std::uint32_t{nvme::authreq_in_band} << 16;

bytes raw_bytes(const auth::bytes& b) {
    const auto view = std::as_bytes(std::span(b));
    return {view.begin(), view.end()};
}

class authentication : public testing::Test {
  protected:
    authentication() {
        w.make_memory("disk");
        w.add(s, "disk", 1);
    }

    void give_keys(std::string_view host_key, std::string_view ctrlr_key = {}) {
        host_keys keys{.dhchap = make_key(host_key)};
        if (!ctrlr_key.empty())
            keys.dhchap_ctrlr = make_key(ctrlr_key);
        w.at_control([&] { EXPECT_TRUE(s.access().add_host(host_a, std::move(keys))); });
    }
    void change_keys(std::string_view host_key) {
        w.at_control([&] { EXPECT_TRUE(s.access().set_dhchap_keys(host_a, make_key(host_key), nullptr)); });
    }
    /// Its dw0.
    std::uint32_t connect_admin(host& h) {
        h.nqn = host_a;
        h.admin = &w.connect_to(1);
        const capsule& c = h.admin->call(connect(0, 31, kato_ms), raw(connect_data(subsystem_nqn, host_a)));
        EXPECT_EQ(c.status(), sc::success);
        h.cntlid = static_cast<std::uint16_t>(c.dw0());
        return c.dw0();
    }
    std::uint32_t connect_io(host& h) {
        h.queues.push_back(&w.connect_to(2));
        const auto qid = static_cast<std::uint16_t>(h.queues.size());
        const capsule& c = h.queues.back()->call(connect(qid, 31), raw(connect_data(subsystem_nqn, host_a, h.cntlid)));
        EXPECT_EQ(c.status(), sc::success);
        return c.dw0();
    }

    status send(connection& q, const auth::bytes& message) {
        return q.call(auth_send_of(message.size()), raw_bytes(message)).status().with_more(false);
    }
    auth::bytes receive(connection& q) {
        const capsule& c = q.call_for(auth_receive_of(2048), 2048);
        EXPECT_EQ(c.status(), sc::success);
        const auto* const first = reinterpret_cast<const unsigned char*>(c.data.data());
        return {first, first + c.data.size()};
    }
    bool authenticate(connection& q) {
        EXPECT_EQ(send(q, dhchap.negotiate()), sc::success);
        const auth::bytes challenge = receive(q);
        EXPECT_EQ(send(q, dhchap.reply(challenge)), sc::success);
        if (!dhchap.accepts(receive(q)))
            return false;
        return dhchap.ctrlr_key.empty() || send(q, dhchap.success2()).ok();
    }
    host make_authenticated_host() {
        host h;
        connect_admin(h);
        EXPECT_TRUE(authenticate(*h.admin));
        w.enable(h);
        connect_io(h);
        EXPECT_TRUE(authenticate(*h.queues[0]));
        return h;
    }
    status read(host& h) { return h.queues[0]->call_for(io(nvme::io_opcode::read, 1), 512).status().with_more(false); }
    std::uint64_t counted(core::counter core_counters::*which) {
        std::uint64_t all = 0;
        for (std::size_t i = 0; i < w.sim.group().size(); ++i)
            all += (w.target.counters().on(i).*which).get();
        return all;
    }
    bool ends(connection& q) {
        return w.until([&] { return q.gone; }) && q.closed == disconnect_reason::authentication_failed;
    }

    nvmf_fixture w;
    subsystem& s = w.make_subsystem();
    dhchap_host dhchap{host_a, subsystem_nqn};
};

/// Workers that hosts of an address have, or wait for.
class busy_workers {
  public:
    busy_workers(nvmf_fixture& w, auth_workers& all, const std::string& address, std::size_t pieces)
        : fixture_(w), all_(all) {
        w.at_control([&] {
            for (std::size_t i = 0; i < pieces; ++i)
                core::detach(all.acquire(address),
                             [this](auth_workers::worker one) { held_.push_back(std::move(one)); });
        });
    }
    ~busy_workers() { end(); }
    /// Until no worker is at work.
    void end() {
        while (all_.running() != 0) {
            fixture_.at_control([this] { held_.clear(); });
            fixture_.pass(1ms);
        }
    }

  private:
    nvmf_fixture& fixture_;
    auth_workers& all_;
    std::vector<auth_workers::worker> held_;
};

TEST_F(authentication, does_not_wait_for_the_arithmetic_of_another_address) {
    give_keys(key_of_a);
    dhchap.dhgroups = {1};
    busy_workers stranger(w, s.target().auth.workers, "10.0.0.66", 200);
    host h = make_authenticated_host();
    EXPECT_EQ(read(h), sc::success);
}

TEST_F(authentication, fails_where_too_much_of_its_own_address_waits) {
    give_keys(key_of_a);
    dhchap.dhgroups = {1};
    host h;
    connect_admin(h);
    busy_workers own(w, s.target().auth.workers, w.hosts_come_from,
                     auth_workers::max_running_of_address + auth_workers::max_waiting_of_address);
    EXPECT_EQ(send(*h.admin, dhchap.negotiate()), sc::success);
    const auto failure = auth::read_failure(receive(*h.admin));
    ASSERT_TRUE(failure);
    EXPECT_EQ(failure->explanation, nvme::auth_explanation::failed);
    EXPECT_TRUE(ends(*h.admin));
    EXPECT_EQ(counted(&core_counters::refused_authentications), 1u);
    EXPECT_EQ(counted(&core_counters::failed_authentications), 1u);
    own.end();
    make_authenticated_host();
}

/// Its turn comes when it has gone: nothing is computed for it, and the next one is not kept waiting.
TEST_F(authentication, ends_while_it_waits) {
    give_keys(key_of_a);
    dhchap.dhgroups = {1};
    host h;
    connect_admin(h);
    busy_workers own(w, s.target().auth.workers, w.hosts_come_from, auth_workers::max_running_of_address);
    h.admin->send(auth_send_of(dhchap.negotiate().size()), raw_bytes(dhchap.negotiate()));
    w.pass(1ms);
    std::shared_ptr<queue_authentication> auth;
    w.at_control([&] { auth = s.controllers().all().at(h.cntlid)->authentication_of(*h.admin->qpair); });
    h.admin->drop();
    w.pass(1ms);
    own.end();
    EXPECT_TRUE(w.until([&] { return h.admin->gone; }));
    EXPECT_EQ(auth->exchange.current(), state::negotiate);
    w.at_control([&] { auth.reset(); });
    EXPECT_EQ(s.target().auth.workers.running(), 0u);
}

TEST_F(authentication, is_not_asked_of_a_host_without_a_key) {
    host h;
    EXPECT_EQ(connect_admin(h) & atr, 0u);
    EXPECT_EQ(send(*h.admin, dhchap.negotiate()), sc::command_sequence_error.with_dnr());
    w.enable(h);
    EXPECT_FALSE(h.admin->closed);
}

TEST_F(authentication, is_asked_of_a_host_with_a_key_on_every_queue) {
    give_keys(key_of_a);
    host h;
    EXPECT_EQ(connect_admin(h) & atr, atr);
    EXPECT_TRUE(authenticate(*h.admin));
    w.enable(h);
    EXPECT_EQ(connect_io(h) & atr, atr);
    EXPECT_EQ(read(h), sc::auth_required);
    EXPECT_TRUE(authenticate(*h.queues[0]));
    EXPECT_EQ(read(h), sc::success);
    EXPECT_EQ(counted(&core_counters::authentications), 2u);
    EXPECT_EQ(counted(&core_counters::failed_authentications), 0u);
}

TEST_F(authentication, comes_before_everything_else) {
    give_keys(key_of_a);
    host h;
    connect_admin(h);
    const auto refused = [&](connection& q, nvme::command c, std::size_t room = 0) {
        return q.call_for(c, room).status().is(sc::auth_required);
    };
    EXPECT_TRUE(refused(*h.admin, property_get(nvme::property::cap)));
    EXPECT_TRUE(refused(*h.admin, property_set(nvme::property::cc, 1)));
    EXPECT_TRUE(refused(*h.admin, identify(nvme::cns::controller), 4096));
    EXPECT_TRUE(refused(*h.admin, admin(nvme::admin_opcode::keep_alive)));
    EXPECT_TRUE(refused(*h.admin, command(0xc0)));
    EXPECT_TRUE(authenticate(*h.admin));
    w.enable(h);
    connect_io(h);
    connection& q = *h.queues[0];
    EXPECT_TRUE(refused(q, io(nvme::io_opcode::write, 1), 512));
    EXPECT_TRUE(refused(q, fused(io(nvme::io_opcode::compare, 1), nvme::fuse::first), 512));
    EXPECT_TRUE(refused(q, io(nvme::io_opcode::flush, nvme::broadcast_nsid)));
    EXPECT_EQ(q.call(connect(1), raw(connect_data(subsystem_nqn, host_a, h.cntlid))).status(),
              sc::command_sequence_error.with_dnr().with_more());
    EXPECT_TRUE(authenticate(q));
    EXPECT_EQ(read(h), sc::success);
}

TEST_F(authentication, goes_both_ways_and_with_a_group) {
    give_keys(key_of_a, key_of_disks);
    dhchap.ctrlr_key = key_of_disks;
    dhchap.hashes = {1, 2, 3};
    dhchap.dhgroups = {0, 1};
    host h = make_authenticated_host();
    EXPECT_EQ(read(h), sc::success);
    w.at_control([&] {
        const auto& c = *s.controllers().all().at(h.cntlid);
        for (const auto& q : c.qpairs()) {
            ASSERT_TRUE(q.authentication);
            EXPECT_EQ(q.authentication->state, state::completed);
            EXPECT_EQ(q.authentication->digest, auth::auth_hash::sha512);
            EXPECT_EQ(q.authentication->dhgroup, auth::auth_dhgroup::ffdhe2048);
            EXPECT_FALSE(q.waits_for_authentication);
        }
    });
}

TEST_F(authentication, of_another_key_ends_the_connection_after_failure1) {
    give_keys(key_of_a);
    host h;
    connect_admin(h);
    dhchap.key = other_key;
    EXPECT_FALSE(authenticate(*h.admin));
    EXPECT_TRUE(ends(*h.admin));
    EXPECT_EQ(counted(&core_counters::failed_authentications), 1u);
    w.at_control([&] { EXPECT_TRUE(s.controllers().all().empty()); });
}

TEST_F(authentication, that_the_host_refuses_ends_the_connection) {
    give_keys(key_of_a, key_of_disks);
    host h;
    connect_admin(h);
    dhchap.ctrlr_key = other_key;
    EXPECT_FALSE(authenticate(*h.admin));
    EXPECT_EQ(send(*h.admin, dhchap.failure2()), sc::success);
    EXPECT_TRUE(ends(*h.admin));
    EXPECT_EQ(counted(&core_counters::failed_authentications), 1u);
}

TEST_F(authentication, has_one_time_limit_from_connect_on) {
    give_keys(key_of_a);
    host h;
    connect_admin(h);
    w.pass(9s);
    EXPECT_EQ(send(*h.admin, dhchap.negotiate()), sc::success);
    EXPECT_FALSE(h.admin->closed);
    w.pass(900ms);
    EXPECT_FALSE(h.admin->closed);
    w.pass(200ms);
    EXPECT_TRUE(ends(*h.admin)) << "a host that is busy with it is not spared";
    EXPECT_EQ(counted(&core_counters::failed_authentications), 1u);
}

TEST_F(authentication, without_a_keep_alive_timeout_has_two_minutes) {
    give_keys(key_of_a);
    host h;
    h.admin = &w.connect_to(1);
    EXPECT_EQ(h.admin->call(connect(0), raw(connect_data(subsystem_nqn, host_a))).status(), sc::success);
    const auto traffic = [&] { send(*h.admin, dhchap.negotiate()); };
    traffic();  // or the controller would end as an idle one
    for (int i = 0; i < 119; ++i) {
        w.pass(1s);
        if (i % 10 == 0)
            h.admin->call_for(auth_receive_of(16), 16);  // too short for the message: nothing changes
    }
    EXPECT_FALSE(h.admin->closed);
    w.pass(2s);
    EXPECT_TRUE(ends(*h.admin));
}

TEST_F(authentication, has_no_time_limit_once_it_has_succeeded) {
    give_keys(key_of_a);
    host h = make_authenticated_host();
    for (int i = 0; i < 30; ++i) {
        w.pass(5s);
        EXPECT_EQ(h.admin->call(admin(nvme::admin_opcode::keep_alive)).status(), sc::success);
    }
    EXPECT_EQ(read(h), sc::success);
}

// ---- On a live queue.

TEST_F(authentication, happens_again_while_commands_run) {
    give_keys(key_of_a);
    dhchap.dhgroups = {1};
    host h = make_authenticated_host();
    connection& q = *h.queues[0];
    const auth::bytes negotiate = dhchap.negotiate();
    const capsule& first = q.send(auth_send_of(negotiate.size()), raw_bytes(negotiate));
    EXPECT_EQ(read(h), sc::success);
    EXPECT_FALSE(first.answered) << "its arithmetic takes longer than a read";
    EXPECT_TRUE(w.until([&] { return first.answered; }));
    const auth::bytes challenge = receive(q);
    EXPECT_EQ(read(h), sc::success);
    EXPECT_EQ(send(q, dhchap.reply(challenge)), sc::success);
    EXPECT_EQ(read(h), sc::success);
    EXPECT_TRUE(dhchap.accepts(receive(q)));
    EXPECT_EQ(read(h), sc::success);
    EXPECT_EQ(counted(&core_counters::authentications), 3u);
}

TEST_F(authentication, counts_new_keys_from_the_next_time_on) {
    give_keys(key_of_a);
    host h = make_authenticated_host();
    change_keys(other_key);
    EXPECT_EQ(read(h), sc::success) << "connections stay";
    dhchap.key = other_key;
    EXPECT_TRUE(authenticate(*h.queues[0]));
    EXPECT_TRUE(authenticate(*h.admin));
    dhchap.key = key_of_a;
    EXPECT_FALSE(authenticate(*h.queues[0]));
    EXPECT_TRUE(ends(*h.queues[0]));
    EXPECT_FALSE(h.admin->closed);
    connect_io(h);
    dhchap.key = other_key;
    EXPECT_TRUE(authenticate(*h.queues[1]));
}

TEST_F(authentication, that_is_not_finished_in_time_ends_a_live_queue) {
    give_keys(key_of_a);
    host h = make_authenticated_host();
    EXPECT_EQ(send(*h.queues[0], dhchap.negotiate()), sc::success);
    w.pass(5s);
    EXPECT_EQ(h.admin->call(admin(nvme::admin_opcode::keep_alive)).status(), sc::success);
    w.pass(6s);
    EXPECT_TRUE(ends(*h.queues[0]));
    EXPECT_FALSE(h.admin->closed);
}

TEST_F(authentication, is_possible_with_a_key_that_came_after_connect) {
    w.at_control([&] { EXPECT_TRUE(s.access().add_host(host_a)); });
    host h = w.make_host();
    change_keys(key_of_a);
    EXPECT_EQ(read(h), sc::success);
    EXPECT_TRUE(authenticate(*h.queues[0]));
    EXPECT_EQ(read(h), sc::success);
}

TEST_F(authentication, sends_away_who_came_under_the_name_before_it_had_a_key) {
    host h = w.make_host();
    give_keys(key_of_a);
    EXPECT_TRUE(w.until([&] { return h.admin->gone && h.queues[0]->gone; }));
    EXPECT_EQ(h.admin->closed, disconnect_reason::host_removed);
}

// ---- Two commands at once, and ends in between.

TEST_F(authentication, is_moved_on_by_one_command_at_a_time) {
    give_keys(key_of_a);
    dhchap.dhgroups = {1};
    host h;
    connect_admin(h);
    const auth::bytes negotiate = dhchap.negotiate();
    const capsule& first = h.admin->send(auth_send_of(negotiate.size()), raw_bytes(negotiate));
    const capsule& second = h.admin->send(auth_send_of(negotiate.size()), raw_bytes(negotiate));
    const capsule& early = h.admin->send(auth_receive_of(2048), bytes(2048));
    EXPECT_TRUE(w.until([&] { return first.answered && second.answered && early.answered; }));
    EXPECT_EQ(first.status(), sc::success);
    EXPECT_EQ(second.status().with_more(false), sc::command_sequence_error);
    EXPECT_EQ(early.status().with_more(false), sc::command_sequence_error);
    EXPECT_TRUE(auth::read_challenge(receive(*h.admin)));
}

TEST_F(authentication, is_left_alone_when_its_connection_ends_meanwhile) {
    give_keys(key_of_a);
    dhchap.dhgroups = {1};
    for (int turns = 0; turns < 60; ++turns) {
        host h;
        connect_admin(h);
        const auth::bytes negotiate = dhchap.negotiate();
        h.admin->send(auth_send_of(negotiate.size()), raw_bytes(negotiate));
        for (int i = 0; i < turns; ++i)
            w.sim.step();
        h.admin->drop();
        EXPECT_TRUE(w.until([&] { return h.admin->gone; }));
    }
}

TEST_F(authentication, of_many_hosts_at_once_takes_turns) {
    give_keys(key_of_a);
    dhchap.dhgroups = {1};
    std::vector<host> hosts(20);
    std::vector<const capsule*> sent;
    const auth::bytes negotiate = dhchap.negotiate();
    for (host& h : hosts)
        connect_admin(h);
    for (host& h : hosts)
        sent.push_back(&h.admin->send(auth_send_of(negotiate.size()), raw_bytes(negotiate)));
    EXPECT_TRUE(w.until([&] { return std::ranges::all_of(sent, [](const capsule* c) { return c->answered; }); }));
    for (host& h : hosts)
        EXPECT_TRUE(auth::read_challenge(receive(*h.admin)));
}

// ---- The commands themselves.

TEST_F(authentication, has_commands_whose_fields_are_checked) {
    give_keys(key_of_a);
    host h;
    connect_admin(h);
    struct row {
        const char* sentence;
        void (*change)(nvme::authentication_command&);
        std::size_t location;
    };
    const row rows[] = {
        {"another security protocol", [](auto& c) { c.secp = 0xea; }, 43},
        {"another SPSP0", [](auto& c) { c.spsp0 = 0; }, 41},
        {"another SPSP1", [](auto& c) { c.spsp1 = 2; }, 42},
        {"no data", [](auto& c) { c.length = 0; }, 44},
        {"more than there can be", [](auto& c) { c.length = 0xffffffff; }, 44},
    };
    for (const nvme::fctype type : {nvme::fctype::authentication_send, nvme::fctype::authentication_receive})
        for (const row& r : rows) {
            auto c = auth_command(type, 64);
            r.change(c);
            EXPECT_EQ(h.admin->call(std::bit_cast<nvme::command>(c), bytes(64)).status(),
                      sc::invalid_field.with_dnr().with_more())
                << r.sentence;
        }
    EXPECT_EQ(send(*h.admin, dhchap.negotiate()), sc::success);
    EXPECT_EQ(h.admin->call_for(auth_receive_of(16), 16).status(), sc::invalid_field.with_dnr().with_more())
        << "the message is longer";
    EXPECT_TRUE(auth::read_challenge(receive(*h.admin))) << "it is still due";
}

TEST_F(authentication, ends_for_a_host_that_never_begins_it) {
    give_keys(key_of_a);
    host silent;
    connect_admin(silent);
    w.pass(std::chrono::milliseconds(kato_ms) - 1s);
    EXPECT_FALSE(silent.admin->closed);
    EXPECT_TRUE(ends(*silent.admin)) << "for that reason, and not because it is idle";
}

TEST_F(authentication, is_offered_by_discovery_too) {
    subsystem& d = w.target.discovery();
    EXPECT_TRUE(w.run(d.listeners().add(here)));
    w.at_control([&] { EXPECT_TRUE(d.access().add_host(host_a, {.dhchap = make_key(key_of_a)})); });
    host h;
    h.admin = &w.connect_to(0);
    const capsule& c =
        h.admin->call(connect(0, 31, kato_ms), raw(connect_data(std::string(nvme::discovery_nqn), host_a)));
    EXPECT_EQ(c.status(), sc::success);
    EXPECT_EQ(c.dw0() & atr, atr);
    dhchap.subnqn = nvme::discovery_nqn;
    EXPECT_TRUE(authenticate(*h.admin));
    w.enable(h);
}

TEST_F(authentication, refuses_keys_that_are_none) {
    w.at_control([&] {
        access& a = s.access();
        EXPECT_EQ(a.add_host(host_a, {.dhchap = make_key("no key")}).error().code, EINVAL);
        EXPECT_EQ(a.add_host(host_a, {.dhchap_ctrlr = make_key(key_of_a)}).error().code, EINVAL);
        EXPECT_EQ(a.add_host(host_a, {.dhchap = make_key(key_of_a), .dhchap_ctrlr = make_key("x")}).error().code,
                  EINVAL);
        EXPECT_FALSE(a.hosts().contains(host_a));
        EXPECT_EQ(a.set_dhchap_keys(host_a, make_key(key_of_a), nullptr).error().code, ENOENT);
        EXPECT_TRUE(a.add_host(host_a));
        EXPECT_EQ(a.set_dhchap_keys(host_a, nullptr, make_key(key_of_a)).error().code, EINVAL);
        EXPECT_TRUE(a.set_dhchap_keys(host_a, make_key(key_of_a), make_key(key_of_disks)));
        EXPECT_TRUE(a.has_dhchap_key(host_a));
        EXPECT_TRUE(a.set_dhchap_keys(host_a, nullptr, nullptr));
        EXPECT_FALSE(a.has_dhchap_key(host_a));
    });
}

}  // namespace
}  // namespace causeway::nvmf::test
