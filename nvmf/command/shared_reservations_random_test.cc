// SPDX-License-Identifier: Apache-2.0
// Random commands of three hosts by two and three gateways that share a disk, while messages come late or not at all,
// writes fail with an unknown outcome, and gateways stop, are fenced, go on and come back. No command executes that is
// refused by the reservation that some host has been answered, and by all that came after it.

#include "core/random.h"
#include "nvmf/reservation/conflicts.h"
#include "nvmf/testing/shared_reservation_fixture.h"

#include <list>
#include <map>

namespace causeway::nvmf::test {
namespace {

using namespace std::chrono_literals;
using nvme::io_opcode;
using reservation::access;
using transition_of = std::function<reservation::transition(const reservation::state&)>;

struct sent_command {
    capsule* c = nullptr;
    std::size_t host = 0, gateway = 0;
    std::string address;                ///< of the gateway's client when it was sent
    std::uint64_t answered_before = 0;  ///< the version that any host knew of
    std::uint64_t stored_before = 0;    ///< by this gateway
    bool ends_commands = false;
    std::optional<access> io{};  ///< absent: a command about reservations
    transition_of makes{};       ///< what it makes of a state; empty: Report
};

class random_shared_reservations : public testing::TestWithParam<std::tuple<std::size_t, std::uint64_t>> {
  protected:
    static constexpr unsigned steps = 10'000;
    const std::size_t gateways = std::get<0>(GetParam());
    core::random_source random{std::get<1>(GetParam())};
    shared_reservation_fixture f{gateways, std::get<1>(GetParam())};
    std::map<std::uint64_t, reservation::state> stored{{0, {}}};  ///< by version
    std::uint64_t answered = 0;                                   ///< some host knows of this version
    std::uint64_t ended = 0;                                      ///< likewise, by Preempt and Abort
    std::list<sent_command> sent;
    std::array<std::vector<std::function<void()>>, 3> held;  ///< in the sockets of gateways that are stopped
    std::map<std::string, unsigned> seen;                    ///< so that the test is known to test something

    void SetUp() override {
        f.cluster.on_stored = [this](std::size_t, const reservation::version& v) { stored[v.number] = v.state; };
        slow_disks();
    }
    std::uint64_t draw(std::uint64_t below) { return random.below(below); }
    void slow_disks() {
        for (std::size_t g = 0; g < gateways; ++g)
            slow_disk(g);
    }
    void slow_disk(std::size_t g) {
        f.disks[g]->clear_rules();
        f.disks[g]->add_rule({.what = bdev::fault_rule::kind::delay, .per_mille = 500, .delay = 3ms});
    }
    static reservation::host_id id_of(const host& h) {
        reservation::host_id id;
        id.fill(static_cast<std::uint8_t>(h.nqn.back()));
        return id;
    }

    // ---- What is true.

    /// The states that may have been in force since version `first`.
    std::vector<reservation::state> since(std::uint64_t first) const {
        std::vector<reservation::state> all;
        for (auto it = std::prev(stored.upper_bound(first)); it != stored.end(); ++it)
            all.push_back(it->second);
        return all;
    }
    void check_io(const sent_command& s) {
        if (!s.c->status().ok() || f.cluster.is_fenced(s.address))
            return;
        ++seen["executed"];
        for (const auto& state : since(std::max(s.answered_before, ended)))
            if (!conflicts(state, id_of(f.hosts[s.host]), *s.io))
                return;
        ADD_FAILURE() << "host " << s.host << " has " << (*s.io == access::read ? "read" : "written") << " by gateway "
                      << s.gateway << " what is refused since version " << s.answered_before << ", " << ended << " of "
                      << stored.rbegin()->first;
    }
    void check_reservation(const sent_command& s) {
        const status got = s.c->status().with_more(false);
        if (got == sc::internal_path_error)
            return void(++seen["path error"]);
        if (got == sc::command_interrupted)
            return void(++seen["interrupted"]);
        const std::uint64_t number = f.object(s.gateway).stored_last;
        if (got.ok() && number > s.stored_before) {
            ++seen["changed"];
            const auto at = stored.find(number);
            ASSERT_NE(at, stored.end());
            const auto t = s.makes(std::prev(at)->second);
            ASSERT_TRUE(t.result.ok() && t.next == at->second) << "version " << number << " is not what it makes";
            answered = std::max(answered, number);
            if (s.ends_commands)
                ended = std::max(ended, number);
            return;
        }
        ++seen["no change"];
        for (auto it = std::prev(stored.upper_bound(s.answered_before)); it != stored.end(); ++it) {
            const auto t = s.makes(it->second);
            if (t.result.status != got || (got.ok() && t.next != it->second))
                continue;
            if (got.ok())
                answered = std::max(answered, it->first);
            return;
        }
        ADD_FAILURE() << "no state since version " << s.answered_before << " gives status " << got.value << " of "
                      << int{s.c->command.opcode};
    }
    /// A version that a host is reported is one that it knows of.
    void check_report(const sent_command& s) {
        if (!s.c->status().ok())
            return void(++seen["path error"]);
        ++seen["reported"];
        const auto head = s.c->page<nvme::reservation_status_extended_header>();
        for (auto it = std::prev(stored.upper_bound(s.answered_before)); it != stored.end(); ++it) {
            const auto& state = it->second;
            if (head.status.gen != state.generation || head.status.rtype != nvme::to_underlying(state.type) ||
                head.status.regctl != state.registrants.size())
                continue;
            answered = std::max(answered, it->first);
            return;
        }
        ADD_FAILURE() << "no state since version " << s.answered_before << " is what was reported";
    }
    /// Of what was answered in one turn I/O came first: it is the weaker claim.
    void check_answers() {
        for (const bool io : {true, false})
            for (auto it = sent.begin(); it != sent.end();) {
                if (!it->c || !it->c->answered || it->io.has_value() != io) {
                    ++it;
                    continue;
                }
                if (io)
                    check_io(*it);
                else if (it->makes)
                    check_reservation(*it);
                else
                    check_report(*it);
                it = sent.erase(it);
            }
    }

    // ---- What happens.

    void submit(sent_command s, nvme::command c, bytes data) {
        s.address = f.object(s.gateway).address();
        s.answered_before = answered;
        s.stored_before = f.object(s.gateway).stored_last;
        c.nsid = f.nsid_of(s.gateway);
        sent.push_back(std::move(s));
        sent_command& mine = sent.back();
        const auto go = [this, &mine, c, data = std::move(data), q = draw(2)] {
            mine.c = &f.hosts[mine.host].queues[q]->send(c, data);
        };
        if (f.object(mine.gateway).is_stopped())
            held[mine.gateway].push_back(go);
        else
            go();
    }
    bool is_busy(std::size_t gateway) const {
        return std::ranges::any_of(sent, [&](const sent_command& s) { return s.gateway == gateway && !s.io; });
    }
    std::uint64_t draw_key(const reservation::host_id& host) {
        const reservation::registrant* r = stored.rbegin()->second.find(host);
        return r && draw(8) != 0 ? r->key : draw(4);
    }
    void send_io() {
        sent_command s{.host = draw(3), .gateway = draw(gateways)};
        s.io = draw(2) ? access::read : access::write;
        submit(s, io(*s.io == access::read ? io_opcode::read : io_opcode::write, 1), bytes(512));
    }
    void send_report() {
        const sent_command s{.host = draw(3), .gateway = draw(gateways)};
        nvme::command c = command(nvme::to_underlying(io_opcode::reservation_report), 1);
        c.cdw10 = 256 / 4 - 1;
        c.cdw11 = 1u;
        if (!is_busy(s.gateway))
            submit(s, c, bytes(256));
    }
    void send_change() {
        sent_command s{.host = draw(3), .gateway = draw(gateways)};
        if (is_busy(s.gateway))
            return;
        const auto by = id_of(f.hosts[s.host]);
        const auto type = static_cast<nvme::reservation_type>(1 + draw(6));
        switch (draw(5)) {
        case 0:
        case 1: {
            const reservation::register_command c{
                .action = static_cast<nvme::reservation_register_action>(draw(8) ? 0 : 1 + draw(2)),
                .crkey = draw_key(by),
                .nrkey = 1 + draw(3)};
            s.makes = [=](const reservation::state& now) { return reservation::apply(now, by, c, true); };
            return submit(s, reservation_command(io_opcode::reservation_register, nvme::to_underlying(c.action)),
                          raw(nvme::reservation_register_data{.crkey = c.crkey, .nrkey = c.nrkey}));
        }
        case 2:
        case 3: {
            const reservation::acquire_command c{.action = static_cast<nvme::reservation_acquire_action>(draw(3)),
                                                 .type = type,
                                                 .crkey = draw_key(by),
                                                 .prkey = draw(4)};
            s.ends_commands = c.action == nvme::reservation_acquire_action::preempt_and_abort;
            s.makes = [=](const reservation::state& now) { return reservation::apply(now, by, c); };
            return submit(s, reservation_command(io_opcode::reservation_acquire, nvme::to_underlying(c.action), type),
                          raw(nvme::reservation_acquire_data{.crkey = c.crkey, .prkey = c.prkey}));
        }
        default: {
            const reservation::release_command c{.action = static_cast<nvme::reservation_release_action>(draw(12) == 0),
                                                 .type = stored.rbegin()->second.type,
                                                 .crkey = draw_key(by)};
            s.makes = [=](const reservation::state& now) { return reservation::apply(now, by, c); };
            return submit(s, reservation_command(io_opcode::reservation_release, nvme::to_underlying(c.action), c.type),
                          raw(nvme::reservation_release_data{.crkey = c.crkey}));
        }
        }
    }
    /// What lay in its sockets comes first, before it hears of anything.
    void go_on(std::size_t g) {
        for (const auto& go : std::exchange(held[g], {}))
            go();
        f.go_on(g);
    }
    void trouble() {
        const std::size_t g = draw(gateways);
        switch (draw(8)) {
        case 0: ++seen["stop"]; return f.stop(g);
        case 1: return f.w.at_control([&] { f.object(g).lose_watch(); });
        case 2:  // killed and started again, or fenced by an operator
            ++seen["restart"];
            go_on(g);
            f.w.at_control([&] { f.cluster.fence(f.object(g).address()); });
            return;
        case 3:
            f.cluster.trouble = {.lost_notice = 200, .lost_reply = 200, .failed_write = 200, .failed_read = 100};
            return;
        default: f.cluster.trouble = {}; return;
        }
    }
    void recover_fenced() {
        for (std::size_t g = 0; g < gateways; ++g)
            if (f.is_fenced(g) && draw(4) == 0) {
                ++seen["recovered"];
                go_on(g);
                f.start_recovery(g);
            }
    }
    void pass(core::nanoseconds d) {
        const core::ticks end = f.w.sim.time().now() + f.w.sim.time().to_ticks(d);
        f.w.until([&] {
            check_answers();
            return f.w.sim.time().now() >= end || HasFailure();
        });
    }
    void step() {
        const auto kind = draw(100);
        if (kind < 45)
            send_io();
        else if (kind < 80)
            send_change();
        else if (kind < 85)
            send_report();
        else if (kind < 88)
            trouble();
        if (draw(50) == 0)
            for (std::size_t g = 0; g < gateways; ++g)
                go_on(g);
        recover_fenced();
        pass(draw(60) == 0 ? core::nanoseconds(3s) : core::nanoseconds(draw(10) ? 1ms : 40ms));
    }
    /// Without trouble all gateways answer again, and enforce the same.
    void check_end() {
        f.cluster.trouble = {};
        for (std::size_t g = 0; g < gateways; ++g)
            go_on(g);
        for (unsigned i = 0; i < 100; ++i) {
            for (std::size_t g = 0; g < gateways; ++g)
                if (f.is_fenced(g))
                    f.start_recovery(g);
            pass(1s);
        }
        ASSERT_TRUE(sent.empty()) << sent.front().gateway;
        for (std::size_t g = 0; g < gateways; ++g)
            for (const host& h : f.hosts)
                ASSERT_EQ(f.write_by(h, g) == sc::reservation_conflict.with_dnr(),
                          conflicts(stored.rbegin()->second, id_of(h), access::write))
                    << "by gateway " << g;
    }
};

TEST_P(random_shared_reservations, are_enforced_by_every_gateway) {
    for (unsigned i = 0; i < steps && !HasFailure(); ++i) {
        SCOPED_TRACE("step " + std::to_string(i));
        step();
    }
    if (!HasFailure())
        check_end();
    for (const auto& [what, times] : seen)
        RecordProperty(what, static_cast<int>(times));
    for (const char* what : {"executed", "changed", "no change", "reported", "path error", "stop", "recovered"})
        EXPECT_GT(seen[what], steps / 1000) << what;
}

INSTANTIATE_TEST_SUITE_P(gateways, random_shared_reservations,
                         testing::Combine(testing::Values(std::size_t{2}, std::size_t{3}),
                                          testing::Values(std::uint64_t{1}, std::uint64_t{2})));

}  // namespace
}  // namespace causeway::nvmf::test
