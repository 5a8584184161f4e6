// SPDX-License-Identifier: Apache-2.0
// Trouble of one is not trouble of another: each trouble (a row) beside each bystander (a column), over each
// transport, on one core and in one subsystem, in virtual time.
//
// In virtual time every turn of a core costs the same, whatever is done in it. So this shows which party waits for
// which: for buffers, in queues, for devices, for connections. It does not show which party uses up a core's time, as
// an operator does that lists everything.

#include "tests/neighbours/bystanders.h"
#include "tests/neighbours/troubles.h"

#include <cstdlib>
#include <map>
#include <ostream>
#include <tuple>

namespace causeway::neighbours {
namespace {

struct kind_of_seam {
    const char* name;
    seam_maker make;
    std::vector<trouble> (*troubles_of_its_own)();
};

const kind_of_seam seams[] = {{"loop", make_loop_seam, nullptr},
                              {"tcp", make_tcp_seam, troubles_over_tcp},
                              {"rdma", make_rdma_seam, troubles_over_rdma}};

/// Of which each cell has one run: 1, or as many as CAUSEWAY_SEEDS says.
std::vector<std::uint64_t> seeds() {
    const char* const count = std::getenv("CAUSEWAY_SEEDS");
    std::vector<std::uint64_t> all{1};
    while (count && all.size() < std::strtoull(count, nullptr, 10))
        all.push_back(all.size() + 1);
    return all;
}

/// Sanitizers are slow, and look at lifetimes, not at shares: under them there are only the columns that run the most
/// code, for no longer than it takes to make the trouble.
#ifdef NDEBUG
constexpr bool measures_shares = true;
#else
constexpr bool measures_shares = false;
#endif

std::vector<bystander> bystanders() {
    if (measures_shares)
        return all_bystanders();
    std::vector few{fused_pairs(), connect_and_enable()};
    for (bystander& b : few)
        b.turns = 800;
    return few;
}

// ---- A cell.

constexpr unsigned turns_before = 300;

struct measure {
    std::uint64_t done = 0;     ///< times that the bystander has got to its end
    std::uint64_t longest = 0;  ///< turns that one of them took
};

/// The buffers that a hung disk gets if no other needs any: less than three eighths if some are lost.
std::uint64_t buffers_for_a_hung_disk(neighbourhood& n) {
    n.now([&] { n.bad->add_rule({.what = bdev::fault_rule::kind::hang}); });
    busy_host next(n, n.host("next", 2), 127, {block_work(nvme::io_opcode::read, bad_nsid)});
    n.wait(next.arrive());
    n.now([&] { next.begin(); });
    n.turns(200);
    const std::uint64_t buffers = n.bad->hung();
    n.bad->clear_rules();
    n.wait(n.bad->release_hung());
    n.wait(next.leave());
    return buffers;
}

/// How a bystander fares; `t`: beside this trouble.
measure measured(const kind_of_seam& s, const bystander& b, const trouble* t, std::uint64_t seed) {
    neighbourhood n(s.make, seed);
    const auto maker = t ? t->make(n) : nullptr, good = b.make(n);
    if (maker)
        n.wait(maker->arrive());
    n.wait(good->arrive());
    if (maker)
        n.now([&] { maker->begin(); });
    n.turns(turns_before);
    n.now([&] { good->begin(); });
    n.turns(turns_before);
    const std::uint64_t before = good->done();
    good->forget_longest();
    n.turns(b.turns);
    const measure m{good->done() - before, good->longest()};
    if (maker) {
        EXPECT_TRUE(t->is_made(n, *maker))
            << "there is no trouble: " << maker->done() << " done, " << maker->failed() << " failed, "
            << n.bad->hung() + n.other_bad->hung() << " hang, " << n.transport().pending_data_buffers(0) << " waited";
    }
    n.wait(good->leave());
    if (maker)
        n.wait(maker->leave());
    EXPECT_EQ(good->failed(), 0u);
    EXPECT_GE(buffers_for_a_hung_disk(n), n.transport().options().small_buffers * 3u / 8);
    return m;
}

/// The same for all rows.
const measure& without_trouble(const kind_of_seam& s, const bystander& b, std::uint64_t seed) {
    static std::map<std::tuple<std::string, std::string, std::uint64_t>, measure> known;
    auto& m = known[{s.name, b.name, seed}];
    if (!m.done)
        m = measured(s, b, nullptr, seed);
    return m;
}

// ---- The matrix.

struct row {
    const kind_of_seam* seam;
    trouble made;

    friend std::ostream& operator<<(std::ostream& out, const row& r) { return out << r.made.sentence; }
};

std::vector<row> rows() {
    std::vector<row> all;
    for (const auto& s : seams) {
        for (auto& t : troubles_everywhere())
            all.push_back({&s, t});
        if (s.troubles_of_its_own)
            for (auto& t : s.troubles_of_its_own())
                all.push_back({&s, t});
    }
    return all;
}

class neighbours_test : public ::testing::TestWithParam<row> {};

TEST_P(neighbours_test, four_fifths_are_left) {
    const auto& [s, t] = GetParam();
    for (const bystander& b : bystanders()) {
        for (const std::uint64_t seed : seeds()) {
            SCOPED_TRACE(b.name + ", seed " + std::to_string(seed));
            const measure& without = without_trouble(*s, b, seed);
            const measure with = measured(*s, b, &t, seed);
            if (!measures_shares)
                continue;
            EXPECT_GT(without.done, 50u);
            EXPECT_GE(with.done, without.done * 4 / 5);
            EXPECT_LE(with.longest, 2 * without.longest + 4);
        }
    }
}
INSTANTIATE_TEST_SUITE_P(matrix, neighbours_test, ::testing::ValuesIn(rows()), [](const auto& its) {
    return std::string(its.param.seam->name) + "__" + its.param.made.sentence;
});

/// Beside k disks that hang, 1/(k + 1) of the buffers are left for the others.
class hung_disks_test : public neighbours_test {};

TEST_P(hung_disks_test, a_deep_queue_keeps_its_share_of_the_buffers) {
    const auto& [s, t] = GetParam();
    for (const std::uint64_t seed : seeds()) {
        const measure& without = without_trouble(*s, deep_reads(), seed);
        const measure with = measured(*s, deep_reads(), &t, seed);
        EXPECT_GE(with.done, without.done / (t.hung_disks + 1)) << "of " << without.done << ", seed " << seed;
    }
}

std::vector<row> rows_of_hung_disks() {
    auto all = rows();
    std::erase_if(all, [](const row& r) { return r.made.hung_disks == 0; });
    return all;
}
INSTANTIATE_TEST_SUITE_P(matrix, hung_disks_test, ::testing::ValuesIn(rows_of_hung_disks()), [](const auto& its) {
    return std::string(its.param.seam->name) + "__" + its.param.made.sentence;
});

}  // namespace
}  // namespace causeway::neighbours
