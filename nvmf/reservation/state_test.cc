// SPDX-License-Identifier: Apache-2.0
// The state machine, row by row of what NVM Express Base Specification 2.0, "Reservations", says of each command.

#include "nvmf/reservation/state.h"

#include <gtest/gtest.h>
#include <string>
#include <variant>

namespace causeway::nvmf::reservation {
namespace {

namespace sc = nvme::sc;
using acquire_action = nvme::reservation_acquire_action;
using notice = nvme::reservation_notice;
using ptpl = nvme::reservation_ptpl_change;
using register_action = nvme::reservation_register_action;
using release_action = nvme::reservation_release_action;

constexpr auto none = reservation_type::none;
constexpr auto we = reservation_type::write_exclusive;
constexpr auto ea = reservation_type::exclusive_access;
constexpr auto we_ro = reservation_type::write_exclusive_registrants_only;
constexpr auto ea_ro = reservation_type::exclusive_access_registrants_only;
constexpr auto we_ar = reservation_type::write_exclusive_all_registrants;
constexpr auto ea_ar = reservation_type::exclusive_access_all_registrants;

constexpr host_id a{0, 0xa}, b{0, 0xb}, c{0, 0xc}, nobody{};

// ---- Commands.

register_command registers(std::uint64_t key) {
    return {.action = register_action::register_key, .nrkey = key};
}
register_command unregisters(std::uint64_t key) {
    return {.action = register_action::unregister_key, .crkey = key};
}
register_command replaces(std::uint64_t key, std::uint64_t by) {
    return {.action = register_action::replace_key, .crkey = key, .nrkey = by};
}
register_command whatever_the_key(register_command r) {
    r.ignore_existing_key = true;
    return r;
}
register_command with(ptpl change, register_command r) {
    r.ptpl_change = change;
    return r;
}
acquire_command acquires(std::uint64_t key, reservation_type type) {
    return {.action = acquire_action::acquire, .type = type, .crkey = key};
}
acquire_command preempts(std::uint64_t key, std::uint64_t other, reservation_type type) {
    return {.action = acquire_action::preempt, .type = type, .crkey = key, .prkey = other};
}
release_command releases(std::uint64_t key, reservation_type type) {
    return {.action = release_action::release, .type = type, .crkey = key};
}
release_command clears(std::uint64_t key) {
    return {.action = release_action::clear, .crkey = key};
}

/// Of generation 5, and 6 after what counts.
state before(std::vector<registrant> who, reservation_type type = none, host_id holder = nobody) {
    return {.generation = 5, .type = type, .holder = holder, .registrants = std::move(who)};
}
state counted(std::vector<registrant> who, reservation_type type = none, host_id holder = nobody) {
    state s = before(std::move(who), type, holder);
    s.generation = 6;
    return s;
}
state persistent(state s) {
    s.persists = true;
    return s;
}

using any_command = std::variant<register_command, acquire_command, release_command>;

transition run(const state& now, const host_id& by, const any_command& command, bool can_persist = true) {
    if (const auto* r = std::get_if<register_command>(&command))
        return apply(now, by, *r, can_persist);
    if (const auto* r = std::get_if<acquire_command>(&command))
        return apply(now, by, *r);
    return apply(now, by, std::get<release_command>(command));
}

struct row {
    const char* sentence;
    state now;
    host_id by;
    any_command command;
    state next;
    std::vector<notification> notifications{};
};

void expect(const row& r) {
    SCOPED_TRACE(r.sentence);
    const transition t = run(r.now, r.by, r.command);
    EXPECT_TRUE(t.result.ok()) << nvme::to_string(t.result.status);
    EXPECT_EQ(t.next.generation, r.next.generation);
    EXPECT_EQ(t.next.type, r.next.type);
    EXPECT_EQ(t.next, r.next);
    EXPECT_EQ(t.notifications, r.notifications);
}

TEST(reservation_state, register_rows) {
    const row rows[] = {
        {"the first registrant", before({}), a, registers(1), counted({{a, 1}})},
        {"two hosts may have one key", before({{a, 1}}), b, registers(1), counted({{a, 1}, {b, 1}})},
        {"registrants are kept in order", before({{b, 2}}), a, registers(1), counted({{a, 1}, {b, 2}})},
        {"the same key once more changes nothing but the generation", before({{a, 1}}), a, registers(1),
         counted({{a, 1}})},
        {"Register does not look at IEKEY", before({}), a, whatever_the_key(registers(1)), counted({{a, 1}})},
        {"a registration leaves a reservation alone", before({{a, 1}}, ea, a), b, registers(2),
         counted({{a, 1}, {b, 2}}, ea, a)},
        {"a new registrant becomes a holder where all registrants are", before({{a, 1}}, we_ar), b, registers(2),
         counted({{a, 1}, {b, 2}}, we_ar)},

        {"Replace", before({{a, 1}, {b, 2}}), a, replaces(1, 9), counted({{a, 9}, {b, 2}})},
        {"Replace with IEKEY", before({{a, 1}}), a, whatever_the_key(replaces(7, 9)), counted({{a, 9}})},
        {"Replace keeps the reservation", before({{a, 1}}, we, a), a, replaces(1, 9), counted({{a, 9}}, we, a)},

        {"Unregister", before({{a, 1}, {b, 2}}), a, unregisters(1), counted({{b, 2}})},
        {"Unregister with IEKEY", before({{a, 1}}), a, whatever_the_key(unregisters(7)), counted({})},
        {"the holder of a Write Exclusive unregisters: nobody is notified", before({{a, 1}, {b, 2}}, we, a), a,
         unregisters(1), counted({{b, 2}})},
        {"the holder of an Exclusive Access unregisters: nobody is notified", before({{a, 1}, {b, 2}}, ea, a), a,
         unregisters(1), counted({{b, 2}})},
        {"the holder of a Write Exclusive - Registrants Only unregisters: registrants are notified",
         before({{a, 1}, {b, 2}, {c, 3}}, we_ro, a),
         a,
         unregisters(1),
         counted({{b, 2}, {c, 3}}),
         {{b, notice::reservation_released}, {c, notice::reservation_released}}},
        {"the holder of an Exclusive Access - Registrants Only unregisters: registrants are notified",
         before({{a, 1}, {b, 2}}, ea_ro, a),
         a,
         unregisters(1),
         counted({{b, 2}}),
         {{b, notice::reservation_released}}},
        {"a registrant that is no holder unregisters: the reservation stays", before({{a, 1}, {b, 2}}, we_ro, a), b,
         unregisters(2), counted({{a, 1}}, we_ro, a)},
        {"one of all registrants unregisters: the others still hold it", before({{a, 1}, {b, 2}}, ea_ar), a,
         unregisters(1), counted({{b, 2}}, ea_ar)},
        {"the last of all registrants unregisters: it is released", before({{a, 1}}, we_ar), a, unregisters(1),
         counted({})},

        {"CPTPL sets persistence", before({}), a, with(ptpl::set, registers(1)), persistent(counted({{a, 1}}))},
        {"CPTPL clears persistence", persistent(before({{a, 1}})), a, with(ptpl::clear, registers(1)),
         counted({{a, 1}})},
        {"CPTPL leaves persistence alone", persistent(before({{a, 1}})), a, replaces(1, 2),
         persistent(counted({{a, 2}}))},
        {"CPTPL goes with every action", persistent(before({{a, 1}})), a, with(ptpl::clear, unregisters(1)),
         counted({})},
    };
    for (const row& r : rows)
        expect(r);
}

TEST(reservation_state, acquire_rows) {
    for (const auto type : {we, ea, we_ro, ea_ro})
        expect({"the host that acquires is the holder", before({{a, 1}, {b, 2}}), a, acquires(1, type),
                before({{a, 1}, {b, 2}}, type, a)});
    for (const auto type : {we_ar, ea_ar})
        expect({"all registrants are holders", before({{a, 1}, {b, 2}}), a, acquires(1, type),
                before({{a, 1}, {b, 2}}, type)});
    expect({"a holder acquires what it has", before({{a, 1}}, we, a), a, acquires(1, we), before({{a, 1}}, we, a)});
    expect({"every registrant has it where all are holders", before({{a, 1}, {b, 2}}, ea_ar), b, acquires(2, ea_ar),
            before({{a, 1}, {b, 2}}, ea_ar)});
}

TEST(reservation_state, preempt_rows) {
    const row rows[] = {
        {"without a reservation, registrants with that key are unregistered",
         before({{a, 1}, {b, 2}, {c, 2}}),
         a,
         preempts(1, 2, we),
         counted({{a, 1}}),
         {{b, notice::registration_preempted}, {c, notice::registration_preempted}}},
        {"the holder's key: the reservation is taken over",
         before({{a, 1}, {b, 2}}, we, b),
         a,
         preempts(1, 2, we),
         counted({{a, 1}}, we, a),
         {{b, notice::registration_preempted}}},
        {"of another type: those that stay are notified",
         before({{a, 1}, {b, 2}, {c, 3}}, we_ro, b),
         a,
         preempts(1, 2, ea),
         counted({{a, 1}, {c, 3}}, ea, a),
         {{b, notice::registration_preempted}, {c, notice::reservation_released}}},
        {"others with the holder's key go with it",
         before({{a, 1}, {b, 2}, {c, 2}}, ea, b),
         a,
         preempts(1, 2, ea),
         counted({{a, 1}}, ea, a),
         {{b, notice::registration_preempted}, {c, notice::registration_preempted}}},
        {"who has the holder's key stays when it preempts",
         before({{a, 2}, {b, 2}}, ea, b),
         a,
         preempts(2, 2, ea),
         counted({{a, 2}}, ea, a),
         {{b, notice::registration_preempted}}},
        {"another key than the holder's: registrations only",
         before({{a, 1}, {b, 2}, {c, 3}}, we, b),
         a,
         preempts(1, 3, ea),
         counted({{a, 1}, {b, 2}}, we, b),
         {{c, notice::registration_preempted}}},
        {"a holder preempts itself: another type",
         before({{a, 1}, {b, 2}}, we_ro, a),
         a,
         preempts(1, 1, ea_ro),
         counted({{a, 1}, {b, 2}}, ea_ro, a),
         {{b, notice::reservation_released}}},
        {"a holder preempts itself: the same type", before({{a, 1}, {b, 2}}, we, a), a, preempts(1, 1, we),
         counted({{a, 1}, {b, 2}}, we, a)},
        {"a registrant that is no holder preempts itself away", before({{a, 1}, {b, 2}}, we, b), a, preempts(1, 1, we),
         counted({{b, 2}}, we, b)},
        {"a holder preempts to all registrants",
         before({{a, 1}, {b, 2}}, we, a),
         a,
         preempts(1, 1, we_ar),
         counted({{a, 1}, {b, 2}}, we_ar),
         {{b, notice::reservation_released}}},

        {"all registrants, key 0: all others go",
         before({{a, 1}, {b, 2}, {c, 3}}, we_ar),
         b,
         preempts(2, 0, ea),
         counted({{b, 2}}, ea, b),
         {{a, notice::registration_preempted}, {c, notice::registration_preempted}}},
        {"all registrants, a key: registrations only",
         before({{a, 1}, {b, 2}, {c, 3}}, ea_ar),
         a,
         preempts(1, 2, we),
         counted({{a, 1}, {c, 3}}, ea_ar),
         {{b, notice::registration_preempted}}},
        {"all registrants with one key, which goes: nobody holds it any more",
         before({{a, 1}, {b, 1}}, ea_ar),
         a,
         preempts(1, 1, we),
         counted({}),
         {{b, notice::registration_preempted}}},
    };
    for (row r : rows) {
        expect(r);
        std::get<acquire_command>(r.command).action = acquire_action::preempt_and_abort;
        expect(r);
    }
}

TEST(reservation_state, release_rows) {
    for (const auto type : {we, ea})
        expect({"nobody is notified of the release", before({{a, 1}, {b, 2}}, type, a), a, releases(1, type),
                before({{a, 1}, {b, 2}})});
    for (const auto type : {we_ro, ea_ro})
        expect({"registrants are notified of the release",
                before({{a, 1}, {b, 2}}, type, a),
                a,
                releases(1, type),
                before({{a, 1}, {b, 2}}),
                {{b, notice::reservation_released}}});
    for (const auto type : {we_ar, ea_ar})
        expect({"any of all registrants releases it",
                before({{a, 1}, {b, 2}}, type),
                b,
                releases(2, type),
                before({{a, 1}, {b, 2}}),
                {{a, notice::reservation_released}}});
    const row rows[] = {
        {"nothing is held: no effect", before({{a, 1}}), a, releases(1, we), before({{a, 1}})},
        {"another host holds it: no effect", before({{a, 1}, {b, 2}}, we, b), a, releases(1, we),
         before({{a, 1}, {b, 2}}, we, b)},
        {"another host holds it: no effect, whatever the type", before({{a, 1}, {b, 2}}, we, b), a, releases(1, ea),
         before({{a, 1}, {b, 2}}, we, b)},
        {"Clear unregisters all, and releases",
         before({{a, 1}, {b, 2}, {c, 3}}, we, b),
         a,
         clears(1),
         counted({}),
         {{b, notice::reservation_preempted}, {c, notice::reservation_preempted}}},
        {"Clear without a reservation",
         before({{a, 1}, {b, 2}}),
         b,
         clears(2),
         counted({}),
         {{a, notice::reservation_preempted}}},
        {"Clear keeps the persistence", persistent(before({{a, 1}}, ea_ar)), a, clears(1), persistent(counted({}))},
    };
    for (const row& r : rows)
        expect(r);
}

struct refusal_row {
    const char* sentence;
    state now;
    host_id by;
    any_command command;
    verdict expected;
    bool can_persist = true;
};

constexpr verdict conflict = sc::reservation_conflict.with_dnr();
constexpr verdict wrong_key = sc::invalid_field.with_dnr();

register_command with_action(register_command r, unsigned action) {
    r.action = static_cast<register_action>(action);
    return r;
}
acquire_command with_action(acquire_command r, unsigned action) {
    r.action = static_cast<acquire_action>(action);
    return r;
}
release_command with_action(release_command r, unsigned action) {
    r.action = static_cast<release_action>(action);
    return r;
}
auto with_iekey(auto command) {
    command.ignore_existing_key = true;
    return command;
}

TEST(reservation_state, refusals) {
    const state registered = before({{a, 1}, {b, 2}});
    const state held = before({{a, 1}, {b, 2}}, we, b);
    const state held_by_all = before({{a, 1}, {b, 2}}, we_ar);
    const refusal_row rows[] = {
        {"Register with another key", registered, a, registers(9), conflict},
        {"Register with another key and IEKEY", registered, a, with_iekey(registers(9)), conflict},
        {"Register with key 0", registered, c, registers(0), wrong_key},
        {"Register with an unknown action", registered, c, with_action(registers(1), 3), wrong_field(40)},
        {"Register with CPTPL 01b", registered, c, with(ptpl::reserved, registers(1)), wrong_field(43, 6)},
        {"persistence that is not supported", registered, c, with(ptpl::set, registers(1)), wrong_field(43, 6), false},
        {"Unregister with a wrong key", registered, a, unregisters(2), conflict},
        {"Unregister by a stranger", registered, c, unregisters(0), conflict},
        {"Unregister by a stranger with IEKEY", registered, c, with_iekey(unregisters(0)), conflict},
        {"Replace with a wrong key", registered, a, replaces(2, 9), conflict},
        {"Replace by key 0", registered, a, replaces(1, 0), wrong_key},
        {"Replace by a stranger", registered, c, replaces(0, 9), conflict},
        {"Replace by a stranger with IEKEY", registered, c, with_iekey(replaces(0, 9)), conflict},

        {"Acquire by a stranger", registered, c, acquires(0, we), conflict},
        {"Acquire with a wrong key", registered, a, acquires(2, we), conflict},
        {"Acquire what another host holds", held, a, acquires(1, we), conflict},
        {"Acquire another type than one holds", held, b, acquires(2, ea), conflict},
        {"Acquire another type where all are holders", held_by_all, a, acquires(1, we), conflict},
        {"Acquire type 0", registered, a, acquires(1, none), wrong_field(41)},
        {"Acquire type 7", registered, a, acquires(1, static_cast<reservation_type>(7)), wrong_field(41)},
        {"Acquire with IEKEY", registered, a, with_iekey(acquires(1, we)), wrong_field(40, 3)},
        {"Acquire with an unknown action", registered, a, with_action(acquires(1, we), 3), wrong_field(40)},

        {"Preempt by a stranger", held, c, preempts(0, 2, we), conflict},
        {"Preempt with a wrong key", held, a, preempts(2, 2, we), conflict},
        {"Preempt nobody's key", held, a, preempts(1, 9, we), conflict},
        {"Preempt nobody's key without a reservation", registered, a, preempts(1, 9, we), conflict},
        {"Preempt nobody's key where all are holders", held_by_all, a, preempts(1, 9, we), conflict},
        {"Preempt key 0 where one host holds it", held, a, preempts(1, 0, we), wrong_key},
        {"Preempt key 0 without a reservation", registered, a, preempts(1, 0, we), conflict},
        {"Preempt to type 0", held, a, preempts(1, 2, none), wrong_field(41)},

        {"Release by a stranger", held, c, releases(0, we), conflict},
        {"Release with a wrong key", held, b, releases(1, we), conflict},
        {"Release of another type than is held", held, b, releases(2, ea), wrong_field(41)},
        {"Release with IEKEY", held, b, with_iekey(releases(2, we)), wrong_field(40, 3)},
        {"Release with an unknown action", held, b, with_action(releases(2, we), 2), wrong_field(40)},
        {"Clear by a stranger", held, c, clears(0), conflict},
        {"Clear with a wrong key", held, a, clears(2), conflict},
    };
    for (const refusal_row& r : rows) {
        SCOPED_TRACE(r.sentence);
        const transition t = run(r.now, r.by, r.command, r.can_persist);
        EXPECT_EQ(t.result.status, r.expected.status) << nvme::to_string(t.result.status);
        EXPECT_EQ(t.result.location, r.expected.location);
        EXPECT_EQ(t.next, r.now) << "nothing changes";
        EXPECT_TRUE(t.notifications.empty());
    }
}

host_id numbered(std::size_t n) {
    return {static_cast<std::uint8_t>(n >> 8), static_cast<std::uint8_t>(n)};
}

TEST(reservation_state, has_room_for_many_registrants_and_refuses_more) {
    state s;
    for (std::size_t n = 0; n < state::max_registrants; ++n)
        s.registrants.push_back({numbered(n), 1});
    EXPECT_EQ(run(s, numbered(state::max_registrants), registers(2)).result.status, sc::internal_error);
    EXPECT_TRUE(run(s, numbered(5), registers(1)).result.ok()) << "it is one already";
    EXPECT_EQ(run(s, numbered(5), preempts(1, 1, we)).next.registrants.size(), 0u);
}

TEST(reservation_state, generation_wraps) {
    state s;
    s.generation = 0xffffffff;
    EXPECT_EQ(run(s, a, registers(1)).next.generation, 0u);
}

}  // namespace
}  // namespace causeway::nvmf::reservation
