// SPDX-License-Identifier: Apache-2.0
#include "core/counter_registry.h"

#include "core/reactor_counters.h"
#include "core/simulation.h"

#include <gtest/gtest.h>
#include <optional>
#include <thread>

namespace causeway::core {
namespace {

struct traffic {
    counter sent;
    counter open;
    counter slowest;
    counter fastest;
};

constexpr metric traffic_rows[] = {
    {"causeway_test_sent_total", "sent", metric_kind::counter, "Messages.", offsetof(traffic, sent)},
    {"causeway_test_open", "open", metric_kind::gauge, "Connections.", offsetof(traffic, open)},
    {"causeway_test_slowest", "", metric_kind::maximum, "The slowest.", offsetof(traffic, slowest), metric_unit::ticks},
    {"causeway_test_fastest", "", metric_kind::minimum, "The fastest.", offsetof(traffic, fastest), metric_unit::ticks},
};
static_assert(lists_each_counter(traffic_rows, sizeof(traffic)));
constexpr metric_table<traffic> traffic_table{"test", traffic_rows};

constexpr metric lone_rows[] = {{"causeway_test_lone", "", metric_kind::gauge, "Alone.", 0}};
constexpr metric_table<counter> lone_table{"other", lone_rows};

std::vector<std::string> listed(const counter_registry& in) {
    std::vector<std::string> all;
    in.visit(
        [&](const counter_group& g) { all.push_back(std::string(g.subject()) + " " + std::string(g.label("of"))); });
    return all;
}

// ---- The tables.

constexpr metric row(std::string_view name, std::size_t offset, metric_kind kind = metric_kind::gauge,
                     std::string_view help = "Help.", label_view label = {}) {
    return {name, "", kind, help, offset, metric_unit::events, label};
}

template <class... Rows>
bool good(Rows... rows) {
    const metric all[] = {rows...};
    return lists_each_counter(all, 2 * sizeof(counter));
}

TEST(metric_table, each_counter_is_in_one_row) {
    EXPECT_TRUE(good(row("causeway_a", 0), row("causeway_b", 8)));
    EXPECT_FALSE(good(row("causeway_a", 0))) << "a counter that nobody can read";
    EXPECT_FALSE(good(row("causeway_a", 0), row("causeway_b", 0))) << "one twice, the other not at all";
    EXPECT_FALSE(good(row("causeway_a", 0), row("causeway_b", 4))) << "between two counters";
    EXPECT_FALSE(good(row("causeway_a", 0), row("causeway_b", 16))) << "beyond the struct";
}

TEST(metric_table, names_are_what_prometheus_takes) {
    EXPECT_FALSE(good(row("causeway_a", 0), row("causeway_a", 8))) << "two of one name";
    EXPECT_TRUE(good(row("causeway_a", 0, metric_kind::gauge, "Help.", {"op", "read"}),
                     row("causeway_a", 8, metric_kind::gauge, "Help.", {"op", "write"})));
    EXPECT_FALSE(good(row("causeway_a", 0), row("b", 8))) << "no prefix";
    EXPECT_FALSE(good(row("causeway_a", 0), row("causeway_b-c", 8)));
    EXPECT_FALSE(good(row("causeway_a", 0), row("causeway_b", 8, metric_kind::counter))) << "it rises: _total";
    EXPECT_FALSE(good(row("causeway_a", 0), row("causeway_b_total", 8))) << "a gauge is no total";
    EXPECT_FALSE(good(row("causeway_a", 0), row("causeway_b", 8, metric_kind::gauge, ""))) << "no help text";
}

// ---- The list.

TEST(counter_registry, cores_make_one_number_as_the_kind_of_the_metric_says) {
    counter_registry list;
    per_core<traffic> cells(3);
    const auto kept = list.add({traffic_table, {{"of", "a"}}, cells});
    ASSERT_TRUE(kept);
    const std::uint64_t per_row[][3] = {{1, 2, 4}, {8, 0, 1}, {5, 9, 7}, {0, 6, 3}};
    for (std::size_t core = 0; core < 3; ++core) {
        cells.on(core).sent.set(per_row[0][core]);
        cells.on(core).open.set(per_row[1][core]);
        cells.on(core).slowest.set(per_row[2][core]);
        cells.on(core).fastest.set(per_row[3][core]);
    }
    const counter_group* g = list.find(traffic_table, {{"of", "a"}});
    ASSERT_TRUE(g);
    const std::uint64_t sums[] = {7, 9, 9, 3};
    for (std::size_t i = 0; i < 4; ++i) {
        EXPECT_EQ(g->value(g->rows()[i], 0, 3), sums[i]) << g->rows()[i].name;
        for (std::size_t core = 0; core < 3; ++core)
            EXPECT_EQ(g->value(g->rows()[i], core), per_row[i][core]) << g->rows()[i].name;
    }
    EXPECT_EQ(g->value(g->rows()[3], 0, 1), 0u) << "no minimum yet";
}

TEST(counter_registry, a_group_is_in_the_list_as_long_as_its_registration) {
    counter_registry list;
    per_core<traffic> cells(1);
    {
        auto a = list.add({traffic_table, {{"of", "a"}}, cells});
        auto other = list.add({lone_table, {{"of", "x"}}, 1});
        auto b = list.add({traffic_table, {{"of", "b"}}, cells});
        ASSERT_TRUE(a && other && b);
        EXPECT_EQ(listed(list), (std::vector<std::string>{"test a", "test b", "other x"}));
        std::size_t of_subject = 0;
        list.visit("other", [&](const counter_group& g) { of_subject += g.label("of") == "x"; });
        EXPECT_EQ(of_subject, 1u);

        *a = counter_registration();
        EXPECT_EQ(listed(list), (std::vector<std::string>{"test b", "other x"}));
        const counter_registration moved = std::move(*b);
        EXPECT_EQ(listed(list).size(), 2u);
    }
    EXPECT_TRUE(listed(list).empty());
    EXPECT_EQ(list.find(traffic_table, {{"of", "a"}}), nullptr);
}

TEST(counter_registry, two_owners_cannot_register_the_same_name_and_labels) {
    counter_registry list;
    per_core<traffic> cells(1);
    auto first = list.add({traffic_table, {{"of", "a"}}, cells});
    ASSERT_TRUE(first);
    const auto again = list.add({traffic_table, {{"of", "a"}}, cells});
    ASSERT_FALSE(again);
    EXPECT_EQ(again.error().code, EEXIST);

    static constexpr metric same_name[] = {{"causeway_test_open", "", metric_kind::gauge, "Another.", 0}};
    const auto other = list.add({metric_table<counter>{"x", same_name}, {{"of", "b"}}, 1});
    ASSERT_FALSE(other);
    EXPECT_EQ(other.error().about, "causeway_test_open");

    *first = counter_registration();
    EXPECT_TRUE(list.add({traffic_table, {{"of", "a"}}, cells})) << "the first owner is gone";
}

TEST(counter_registry, cells_may_come_later_and_go_earlier) {
    counter_registry list;
    counter cell;
    cell.set(5);
    auto kept = list.add({lone_table, {}, 2});
    ASSERT_TRUE(kept);
    const counter_group* g = list.find(lone_table, {});
    ASSERT_TRUE(g);
    EXPECT_FALSE(g->has(1));
    EXPECT_EQ(g->value(g->rows()[0], 0, 2), 0u);
    kept->attach(lone_table, 1, cell);
    EXPECT_TRUE(g->has(1) && !g->has(0));
    EXPECT_EQ(g->value(g->rows()[0], 0, 2), 5u);
    kept->detach();
    EXPECT_FALSE(g->has(1));
}

/// For ThreadSanitizer.
TEST(counter_registry, a_core_goes_on_counting_while_it_is_read) {
    counter_registry list;
    per_core<traffic> cells(1);
    const auto kept = list.add({traffic_table, {}, cells});
    constexpr std::uint64_t all = 100'000;
    std::thread core([&] {
        for (std::uint64_t i = 0; i < all; ++i)
            cells.on(0).sent.add();
    });
    std::uint64_t seen = 0;
    while (seen < all)
        list.visit([&](const counter_group& g) {
            const auto now = g.value(g.rows()[0], 0);
            EXPECT_GE(now, seen);
            seen = now;
        });
    core.join();
}

TEST(reactor_counters, are_those_of_each_reactor) {
    simulation sim(1, 2);
    counter_registry list;
    const auto registration = register_reactors(list, sim.group());
    ASSERT_TRUE(registration);
    message m([](message&) noexcept {});
    sim[1].post(m);
    while (sim[1].has_messages())
        sim[1].turn();
    list.visit("reactor", [&](const counter_group& g) {
        for (const metric& row : g.rows()) {
            if (row.name != "causeway_reactor_messages_total")
                continue;
            EXPECT_EQ(g.value(row, 0), 0u);
            EXPECT_EQ(g.value(row, 1), 1u);
        }
    });
    EXPECT_EQ(listed(list).size(), 1u);
    EXPECT_FALSE(register_reactors(list, sim.group())) << "they are in the list";
}

}  // namespace
}  // namespace causeway::core
