// Trouble of one is not trouble of another: each trouble (a row) beside each bystander (a column), on one core and in
// one subsystem, in virtual time.
//
// In virtual time every turn of a core costs the same, whatever is done in it. So this shows who waits for whom: for
// buffers, in lines, for devices. It does not show who uses up a core's time, as an operator does who lists everything.

#include "transport/loop/neighbours.h"

#include <array>
#include <ostream>
#include <tuple>

namespace causeway::loop::test {
namespace {

using rule = bdev::fault_rule;

piece_of_work block_work(nvme::io_opcode opcode, std::uint32_t nsid) {
    return {make_block_command(opcode, nsid, 0, 8, 8 * block_size), 8 * block_size};
}
piece_of_work identify_work() {
    return {make_identify(nvme::cns::controller), nvme::identify_bytes};
}
piece_of_work log_page_work(nvme::lid page) {
    return {make_get_log_page(page, 2048), 2048};
}
host_options discovery_host(const std::string& name) {
    host_options o = neighbourhood::host(name, 0);
    o.subnqn = nvme::discovery_nqn;
    return o;
}

// ---- Those who make trouble.

/// A host whose disks have a fault.
class host_of_a_bad_disk : public busy_host {
  public:
    host_of_a_bad_disk(neighbourhood& at, const rule& r, std::uint16_t queues, unsigned depth,
                       std::vector<piece_of_work> work = {block_work(nvme::io_opcode::read, bad_nsid)})
        : busy_host(at, neighbourhood::host("bad", queues), depth, std::move(work)), rule_(r) {}
    void begin() override {
        at_.gate.disk().add_rule(rule_);
        at_.other->add_rule(rule_);
        busy_host::begin();
    }
    core::task<> leave() override {
        for (auto* d : {&at_.gate.disk(), at_.other.get()}) {
            d->clear_rules();
            co_await d->release_hung();
        }
        co_await busy_host::leave();
    }

  private:
    const rule rule_;
};

/// Four hosts that keep as many Identify commands outstanding as their admin queues hold.
class flood : public party {
  public:
    explicit flood(neighbourhood& at) : party(at) {
        for (const char* name : {"flood-1", "flood-2", "flood-3", "flood-4"})
            hosts_.push_back(
                std::make_unique<busy_host>(at, neighbourhood::host(name, 0), 127, std::vector{identify_work()}));
    }
    core::task<> arrive() override {
        for (auto& h : hosts_)
            co_await h->arrive();
    }
    void begin() override {
        for (auto& h : hosts_)
            h->begin();
    }
    core::task<> leave() override {
        for (auto& h : hosts_)
            co_await h->leave();
    }
    std::uint64_t done() const noexcept override {
        std::uint64_t sum = 0;
        for (auto& h : hosts_)
            sum += h->done();
        return sum;
    }

  private:
    std::vector<std::unique_ptr<busy_host>> hosts_;
};

/// Connects, leaves 15 reads with a disk that hangs, goes, and comes again.
class host_that_reconnects : public busy_task {
  public:
    using busy_task::busy_task;
    core::task<> leave() override {
        co_await busy_task::leave();
        at_.gate.disk().clear_rules();
        co_await at_.gate.disk().release_hung();
    }

  private:
    core::task<bool> once() override {
        if (!done())
            at_.gate.disk().add_rule({.what = rule::kind::hang});
        host_controller c(*at_.gate.transport);
        const auto connected = co_await c.connect(neighbourhood::host("restless", 1));
        if (!connected)
            co_return false;
        std::deque<read_command> reads;
        for (int i = 0; i < 15; ++i)
            EXPECT_TRUE(c.io(0).submit(reads.emplace_back(0, 8)));
        co_await core::sleep_for(20us);
        co_await c.disconnect();
        co_return true;
    }
};

/// Has 64 admin queues whose controllers it never enables, and connects another one in place of the oldest.
class host_that_never_enables : public busy_task {
  public:
    using busy_task::busy_task;
    core::task<> leave() override {
        co_await busy_task::leave();
        for (auto& q : queues_)
            if (q)
                co_await close(*q);
    }

  private:
    core::task<bool> once() override {
        auto& q = queues_[done() % queues_.size()];
        if (q)
            co_await close(*q);
        q = std::make_unique<host_queue>(*at_.gate.transport);
        if (const auto opened = co_await q->open(here, 0, 32); !opened)
            co_return false;
        connect_parameters p;
        p.subnqn = subnqn;
        p.hostnqn = "nqn.2024-01.io.causeway:idler";
        const nvme::completion c = co_await q->connect(std::move(p));
        co_return c.status().ok();
    }
    static core::task<> close(host_queue& q) {
        q.disconnect();
        co_await q.closed();
    }
    std::array<std::unique_ptr<host_queue>, 64> queues_;
};

/// An operator who adds a namespace and removes it.
class operator_who_cannot_decide : public busy_task {
  public:
    using busy_task::busy_task;

  private:
    core::task<bool> once() override {
        nvmf::namespace_params p;
        p.bdev_name = "spare";
        const auto nsid = co_await at_.subsystem().add_namespace(p);
        if (!nsid)
            co_return false;
        co_await core::yield();
        const auto removed = co_await at_.subsystem().remove_namespace(*nsid);
        co_return removed.has_value();
    }
};

using maker = std::unique_ptr<party> (*)(neighbourhood&);

struct trouble {
    const char* sentence;
    maker make;
    /// That it has been made: whether this is how things stand in the middle of it.
    bool (*is_made)(neighbourhood&, const party&);
    unsigned hung_disks = 0;

    friend std::ostream& operator<<(std::ostream& out, const trouble& t) { return out << t.sentence; }
};

template <class P>
std::unique_ptr<party> make(neighbourhood& n) {
    return std::make_unique<P>(n);
}

const trouble troubles[] = {
    {"a_disk_hangs_with_508_reads",
     [](neighbourhood& n) -> std::unique_ptr<party> {
         return std::make_unique<host_of_a_bad_disk>(n, rule{.what = rule::kind::hang}, 4, 127);
     },
     [](neighbourhood& n, const party&) {
         return n.gate.disk().hung() == 195 && n.gate.transport->pending_data_buffers(0) >= 508 - 195;
     },
     1},
    {"two_disks_hang_with_254_reads_each",
     [](neighbourhood& n) -> std::unique_ptr<party> {
         return std::make_unique<host_of_a_bad_disk>(n, rule{.what = rule::kind::hang}, 4, 127,
                                                     std::vector{block_work(nvme::io_opcode::read, bad_nsid),
                                                                 block_work(nvme::io_opcode::read, other_bad_nsid)});
     },
     [](neighbourhood& n, const party&) { return n.gate.disk().hung() + n.other->hung() > 195; }, 2},
    {"a_disk_takes_100_ms_for_each_of_508_writes",
     [](neighbourhood& n) -> std::unique_ptr<party> {
         return std::make_unique<host_of_a_bad_disk>(n, rule{.what = rule::kind::delay, .delay = 100ms}, 4, 127,
                                                     std::vector{block_work(nvme::io_opcode::write, bad_nsid)});
     },
     [](neighbourhood& n, const party&) { return n.gate.disk().in_flight() > 150; }},
    {"a_disk_fails_everything",
     [](neighbourhood& n) -> std::unique_ptr<party> {
         return std::make_unique<host_of_a_bad_disk>(n, rule{.what = rule::kind::fail}, 4, 32);
     },
     [](neighbourhood&, const party& p) { return p.done() == 0 && p.failed() > 1000; }},
    {"a_host_floods_identify",
     [](neighbourhood& n) -> std::unique_ptr<party> {
         return std::make_unique<busy_host>(n, neighbourhood::host("flood", 0), 127, std::vector{identify_work()});
     },
     [](neighbourhood&, const party& p) { return p.done() > 10'000; }},
    {"four_hosts_flood_identify", make<flood>, [](neighbourhood&, const party& p) { return p.done() > 10'000; }},
    {"a_host_floods_get_log_page_of_discovery",
     [](neighbourhood& n) -> std::unique_ptr<party> {
         return std::make_unique<busy_host>(n, discovery_host("flood"), 127,
                                            std::vector{log_page_work(nvme::lid::discovery)});
     },
     [](neighbourhood&, const party& p) { return p.done() > 10'000; }},
    {"a_host_reconnects_while_its_commands_hang", make<host_that_reconnects>,
     [](neighbourhood& n, const party& p) { return p.failed() == 0 && p.done() > 20 && n.gate.disk().hung() > 100; }},
    {"a_host_connects_and_never_enables", make<host_that_never_enables>,
     [](neighbourhood& n, const party& p) {
         return p.failed() == 0 && p.done() > 100 && n.subsystem().controllers().size() >= 63;
     }},
    {"an_operator_adds_and_removes_a_namespace", make<operator_who_cannot_decide>,
     [](neighbourhood&, const party& p) { return p.failed() == 0 && p.done() > 100; }},
};

// ---- Those who stand by.

/// Connects with one I/O queue, enables its controller, and goes.
class host_that_connects : public busy_task {
  public:
    using busy_task::busy_task;

  private:
    core::task<bool> once() override {
        host_controller c(*at_.gate.transport);
        const auto connected = co_await c.connect(neighbourhood::host("new", 1));
        if (!connected)
            co_return false;
        co_await c.disconnect();
        co_return true;
    }
};

struct bystander {
    const char* name;
    maker make;

    friend std::ostream& operator<<(std::ostream& out, const bystander& b) { return out << b.name; }
};

const bystander bystanders[] = {
    {"reads",
     [](neighbourhood& n) -> std::unique_ptr<party> {
         return std::make_unique<busy_host>(n, neighbourhood::host("good", 1), 32,
                                            std::vector{block_work(nvme::io_opcode::read, good_nsid)});
     }},
    {"writes",
     [](neighbourhood& n) -> std::unique_ptr<party> {
         return std::make_unique<busy_host>(n, neighbourhood::host("good", 1), 32,
                                            std::vector{block_work(nvme::io_opcode::write, good_nsid)});
     }},
    {"fused_pairs",
     [](neighbourhood& n) -> std::unique_ptr<party> {
         auto w = block_work(nvme::io_opcode::compare, good_nsid);
         w.fused_with_a_write = true;
         return std::make_unique<busy_host>(n, neighbourhood::host("good", 1), 16, std::vector{w});
     }},
    {"connect_and_enable", make<host_that_connects>},
    {"keep_alive",
     [](neighbourhood& n) -> std::unique_ptr<party> {
         auto o = neighbourhood::host("good", 0);
         o.kato_ms = 10'000;
         return std::make_unique<busy_host>(n, o, 1, std::vector{piece_of_work{make_keep_alive()}});
     }},
    {"get_log_page_of_discovery",
     [](neighbourhood& n) -> std::unique_ptr<party> {
         return std::make_unique<busy_host>(n, discovery_host("good"), 1,
                                            std::vector{log_page_work(nvme::lid::discovery)});
     }},
};

// ---- The matrix.

constexpr unsigned turns_before = 300, turns_measured = 1500;

/// How often the bystander gets to its end in a number of turns. Where there is no trouble, its maker is there, idle.
std::uint64_t completions(const trouble& t, const bystander& b, std::uint64_t seed, bool with_trouble) {
    neighbourhood n(seed);
    const auto maker = t.make(n), good = b.make(n);
    n.wait(maker->arrive());
    n.wait(good->arrive());
    if (with_trouble)
        n.now([&] { maker->begin(); });
    n.turns(turns_before);
    n.now([&] { good->begin(); });
    n.turns(turns_before);
    const std::uint64_t before = good->done();
    n.turns(turns_measured);
    const std::uint64_t done = good->done() - before;
    EXPECT_EQ(t.is_made(n, *maker), with_trouble);
    n.wait(good->leave());
    n.wait(maker->leave());
    EXPECT_EQ(good->failed(), 0u);
    return done;
}

#ifdef NDEBUG
constexpr std::uint64_t seeds[] = {1, 2, 3};
#else
constexpr std::uint64_t seeds[] = {4};  // sanitizers are slow
#endif

using cell = std::tuple<trouble, bystander>;

std::vector<cell> cells() {
    std::vector<cell> all;
    for (const trouble& t : troubles)
        for (const bystander& b : bystanders)
            all.emplace_back(t, b);
    return all;
}

class neighbours_test : public ::testing::TestWithParam<cell> {};

TEST_P(neighbours_test, four_fifths_are_left) {
    const auto& [t, b] = GetParam();
    for (const std::uint64_t seed : seeds) {
        const std::uint64_t without = completions(t, b, seed, false), with = completions(t, b, seed, true);
        EXPECT_GT(without, 50u);
        EXPECT_GE(with, without * 4 / 5) << "of " << without << ", seed " << seed;
    }
}
INSTANTIATE_TEST_SUITE_P(matrix, neighbours_test, ::testing::ValuesIn(cells()), [](const auto& its) {
    return std::string(std::get<trouble>(its.param).sentence) + "__" + std::get<bystander>(its.param).name;
});

/// Beside k disks that hang, 1/(k + 1) of the buffers are left for whoever could use more.
TEST(neighbours, a_deep_queue_keeps_its_share_of_the_buffers) {
    const bystander deep{"deep reads", [](neighbourhood& n) -> std::unique_ptr<party> {
                             return std::make_unique<busy_host>(
                                 n, neighbourhood::host("good", 1), 127,
                                 std::vector{block_work(nvme::io_opcode::read, good_nsid)});
                         }};
    for (const trouble& t : troubles) {
        if (!t.hung_disks)
            continue;
        for (const std::uint64_t seed : seeds) {
            const std::uint64_t without = completions(t, deep, seed, false), with = completions(t, deep, seed, true);
            EXPECT_GE(with, without / (t.hung_disks + 1))
                << "of " << without << ", seed " << seed << ": " << t.sentence;
        }
    }
}

}  // namespace
}  // namespace causeway::loop::test
