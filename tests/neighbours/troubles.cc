// SPDX-License-Identifier: Apache-2.0
#include "tests/neighbours/troubles.h"

#include "nvme/make_command.h"

#include <algorithm>
#include <array>

namespace causeway::neighbours {

namespace {

using rule = bdev::fault_rule;
using nvme::io_opcode;

constexpr std::uint16_t queues = 4;
constexpr unsigned depth = 127;

// ---- Disks.

/// A host whose disks have a fault.
class host_of_bad_disks : public busy_host {
  public:
    host_of_bad_disks(neighbourhood& at, const rule& r, unsigned outstanding, std::vector<piece_of_work> work)
        : busy_host(at, at.host("bad", queues), outstanding, std::move(work)), rule_(r) {}
    void begin() override {
        for (auto& d : disks())
            d->add_rule(rule_);
        busy_host::begin();
    }
    core::task<> leave() override {
        for (auto& d : disks())
            d->clear_rules();
        co_await end_hung({});
        co_await busy_host::leave();
    }

  protected:
    core::task<> end_hung(nvme::status s) {
        for (auto& d : disks())
            co_await d->release_hung(s);
    }

  private:
    std::array<std::shared_ptr<bdev::fault_device>, 2> disks() const { return {at_.bad, at_.other_bad}; }
    const rule rule_;
};

/// Disks whose cluster cannot be reached, or has fenced the gateway: what is sent to them waits for as long as the
/// gateway waits, ends with a path error, and is sent again.
class host_of_unreachable_disks : public host_of_bad_disks {
  public:
    host_of_unreachable_disks(neighbourhood& at, core::nanoseconds limit, std::vector<piece_of_work> work)
        : host_of_bad_disks(at, {.what = rule::kind::hang}, depth, std::move(work)), limit_(limit) {}
    void begin() override {
        host_of_bad_disks::begin();
        core::detach(give_up());
    }
    core::task<> leave() override {
        leaving_ = true;
        while (giving_up_)
            co_await core::yield();
        co_await host_of_bad_disks::leave();
    }

  private:
    core::task<> give_up() {
        giving_up_ = true;
        while (!leaving_) {
            co_await core::sleep_for(limit_);
            co_await end_hung(nvme::sc::internal_path_error);
        }
        giving_up_ = false;
    }
    const core::nanoseconds limit_;
    bool giving_up_ = false, leaving_ = false;
};

std::uint64_t hung(const neighbourhood& n) {
    return n.bad->hung() + n.other_bad->hung();
}

trouble bad_disks(std::string sentence, const rule& r, unsigned outstanding, std::vector<piece_of_work> work,
                  std::function<bool(neighbourhood&, const party&)> is_made) {
    return {std::move(sentence),
            [=](neighbourhood& n) { return std::make_unique<host_of_bad_disks>(n, r, outstanding, work); },
            std::move(is_made)};
}

trouble unreachable_disks(std::string sentence, core::nanoseconds limit, std::vector<piece_of_work> work) {
    return {std::move(sentence),
            [=](neighbourhood& n) { return std::make_unique<host_of_unreachable_disks>(n, limit, work); },
            [](neighbourhood&, const party& p) { return p.done() == 0 && p.failed() > 200; }};
}

// ---- Hosts.

piece_of_work identify_work() {
    return {nvme::make_identify(nvme::cns::controller), nvme::identify_bytes};
}

std::unique_ptr<party> make_flood(neighbourhood& n, const std::string& name, std::string nqn, piece_of_work w) {
    auto o = n.host(name, 0);
    o.subnqn = std::move(nqn);
    o.admin_depth = depth;
    return std::make_unique<busy_host>(n, std::move(o), depth - 1, std::vector{w});  // one is an event request
}

bool is_flooded(neighbourhood&, const party& p) {
    return p.failed() == 0 && p.done() > 2000;
}

/// Connects, leaves 15 reads with a disk that hangs, goes without a word, and comes again.
class host_that_reconnects : public busy_task {
  public:
    host_that_reconnects(neighbourhood& at, unsigned number)
        : busy_task(at), name_("restless-" + std::to_string(number)) {}
    core::task<> leave() override {
        co_await busy_task::leave();
        at_.bad->clear_rules();
        co_await at_.bad->release_hung();
    }

  private:
    core::task<bool> once() override {
        if (!done())
            at_.bad->add_rule({.what = rule::kind::hang});
        host::controller c(at_.by->connector(), at_.host(name_, 1));
        if (const auto connected = co_await c.connect(); !connected)
            co_return false;
        std::array<std::byte, 8 * block_size> memory;
        const iovec piece{memory.data(), memory.size()};
        std::array<host::request, 15> reads;
        for (host::request& r : reads) {
            r.command = block_work(io_opcode::read, bad_nsid).command;
            r.data = {&piece, 1};
            r.done = [](host::request&) noexcept {};
            EXPECT_TRUE(c.io(0).submit(r));
        }
        for (int turns = 0; turns < 50; ++turns)
            co_await core::yield();
        co_await vanish(c);
        co_return true;
    }
    const std::string name_;
};

/// Holds admin queues, and has another one in place of the oldest.
class host_that_holds_queues : public busy_task {
  public:
    /// `connects`: with a controller each, which it never enables. Else it says nothing, once it is connected.
    host_that_holds_queues(neighbourhood& at, bool connects) : busy_task(at), connects_(connects) {}
    core::task<> leave() override {
        co_await busy_task::leave();
        for (auto& q : queues_)
            if (q)
                q->close();
        co_await core::yield();
        for (auto& q : queues_)
            q.reset();
    }

  private:
    core::task<bool> once() override {
        auto& q = queues_[done() % queues_.size()];
        if (q)
            q->close();
        co_await core::yield();
        q.reset();
        auto opened = co_await at_.by->connector().open({});
        if (!opened)
            co_return false;
        q = std::move(*opened);
        co_return !connects_ || co_await connect(*q);
    }
    static core::task<bool> connect(host::queue_pair& q) {
        const nvme::connect_parameters p{.subnqn = subnqn, .hostnqn = "nqn.2024-01.io.causeway:idler"};
        auto data = nvme::make_connect_data(p);
        const iovec piece{&data, sizeof data};
        const auto entries = static_cast<std::uint16_t>(q.depth() + 1);
        const auto answer = co_await q.run(nvme::make_connect_command(p, entries), {&piece, 1});
        co_return answer.status().ok();
    }
    const bool connects_;
    std::array<std::unique_ptr<host::queue_pair>, 4> queues_;
};

// ---- Operators.

/// Adds a namespace and removes it.
class operator_who_cannot_decide : public busy_task {
  public:
    using busy_task::busy_task;

  private:
    core::task<bool> once() override {
        nvmf::namespace_params p;
        p.bdev_name = "spare";
        const auto nsid = co_await at_.subsystem().namespaces().add(p);
        if (!nsid)
            co_return false;
        co_await core::yield();
        const auto removed = co_await at_.subsystem().namespaces().remove(*nsid);
        co_return removed.has_value();
    }
};

/// Has 64 connections to the management interface: of most of them half a request has come, the others ask and ask and
/// never read. Comes again with whatever is closed.
class operator_whose_clients_hang : public busy_task {
  public:
    using busy_task::busy_task;
    core::task<> leave() override {
        co_await busy_task::leave();
        clients_.clear();
        while (at_.managed.clients())
            co_await core::yield();
    }
    std::size_t that_never_read() const { return peer_reads_no_more_; }

  private:
    static constexpr std::size_t places = 64, never_read = 4;

    core::task<bool> once() override {
        while (peer_reads_no_more_ < never_read) {
            auto& c = clients_.emplace_back(std::make_unique<management_client>(at_.managed.path()));
            for (int i = 0; i < 400 && c->send(management_client::question); ++i)
                if (i % 10 == 0)
                    co_await core::yield();
            ++peer_reads_no_more_;
        }
        const auto halves = clients_.begin() + never_read;
        clients_.erase(std::remove_if(halves, clients_.end(), [](auto& c) { return c->answered(); }), clients_.end());
        if (clients_.size() < places)
            clients_.emplace_back(std::make_unique<management_client>(at_.managed.path()))->send(R"({"id": 1, "me)");
        for (std::size_t turns = 0; clients_.size() == places && turns < 20; ++turns)
            co_await core::yield();
        co_return true;
    }
    std::vector<std::unique_ptr<management_client>> clients_;
    std::size_t peer_reads_no_more_ = 0;
};

template <class P>
std::unique_ptr<party> make(neighbourhood& n) {
    return std::make_unique<P>(n);
}

std::vector<trouble> troubles_of_disks() {
    const rule hang{.what = rule::kind::hang};
    const rule slow{.what = rule::kind::delay, .delay = 100ms};
    const rule broken{.what = rule::kind::fail};
    const rule full{.what = rule::kind::fail,
                    .ops = bdev::ops({bdev::op::write}),
                    .status = nvme::sc::capacity_exceeded.with_dnr()};
    const auto reads = block_work(io_opcode::read, bad_nsid), writes = block_work(io_opcode::write, bad_nsid);
    const auto other_reads = block_work(io_opcode::read, other_bad_nsid);
    const auto other_writes = block_work(io_opcode::write, other_bad_nsid);

    auto one_hangs = bad_disks("a_disk_hangs_with_508_reads", hang, depth, {reads}, [](neighbourhood& n, const party&) {
        return hung(n) >= 195 && n.transport().pending_data_buffers(0) > 300;
    });
    one_hangs.hung_disks = 1;
    auto two_hang = bad_disks("two_disks_hang_with_254_reads_each", hang, depth, {reads, other_reads},
                              [](neighbourhood& n, const party&) { return hung(n) > 195; });
    two_hang.hung_disks = 2;
    return {one_hangs,
            two_hang,
            bad_disks("a_disk_takes_100_ms_for_each_of_508_writes", slow, depth, {writes},
                      [](neighbourhood& n, const party& p) { return n.bad->in_flight() + p.done() > 150; }),
            bad_disks("a_disk_fails_everything", broken, 8, {reads, writes},
                      [](neighbourhood&, const party& p) { return p.done() == 0 && p.failed() > 1000; }),
            bad_disks("a_pool_is_full", full, 8, {reads, writes},
                      [](neighbourhood&, const party& p) { return p.done() > 300 && p.failed() > 300; }),
            unreachable_disks("a_fenced_client_holds_I_O_and_refuses_it", 2ms, {writes}),
            unreachable_disks("a_dead_cluster_ends_I_O_of_two_disks_by_its_limit", 5ms,
                              {reads, other_reads, writes, other_writes})};
}

}  // namespace

std::vector<trouble> troubles_everywhere() {
    auto all = troubles_of_disks();
    all.push_back({"a_host_floods_identify",
                   [](neighbourhood& n) { return make_flood(n, "flood", subnqn, identify_work()); }, is_flooded});
    all.push_back({.sentence = "four_hosts_flood_identify",
                   .make =
                       [](neighbourhood& n) {
                           return std::make_unique<crowd>(n, 4, [&n](unsigned i) {
                               return make_flood(n, "flood-" + std::to_string(i), subnqn, identify_work());
                           });
                       },
                   .is_made = is_flooded});
    all.push_back({"a_host_floods_get_log_page_of_discovery",
                   [](neighbourhood& n) {
                       return make_flood(n, "flood", std::string(nvme::discovery_nqn),
                                         {nvme::make_get_log_page(nvme::lid::discovery, 2048), 2048});
                   },
                   is_flooded});
    all.push_back({"hosts_reconnect_while_their_commands_hang",
                   [](neighbourhood& n) {
                       return std::make_unique<crowd>(
                           n, 4, [&n](unsigned i) { return std::make_unique<host_that_reconnects>(n, i); });
                   },
                   [](neighbourhood& n, const party& p) { return p.failed() == 0 && p.done() > 4 && hung(n) > 60; }});
    all.push_back({"a_host_connects_and_never_enables",
                   [](neighbourhood& n) { return std::make_unique<host_that_holds_queues>(n, true); },
                   [](neighbourhood& n, const party& p) {
                       return p.failed() == 0 && p.done() > 4 && n.subsystem().controllers().all().size() >= 3;
                   }});
    all.push_back(
        {"strangers_come_and_never_connect",
         [](neighbourhood& n) { return std::make_unique<host_that_holds_queues>(n, false); },
         [](neighbourhood& n, const party& p) { return p.failed() == 0 && p.done() > 4 && n.by->connections() >= 3; }});
    all.push_back({"an_operator_adds_and_removes_a_namespace", make<operator_who_cannot_decide>,
                   [](neighbourhood&, const party& p) { return p.failed() == 0 && p.done() > 100; }});
    all.push_back({"management_clients_hang", make<operator_whose_clients_hang>,
                   [](neighbourhood& n, const party& p) { return p.failed() == 0 && n.managed.clients() >= 60; }});
    return all;
}

}  // namespace causeway::neighbours
