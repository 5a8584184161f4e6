// SPDX-License-Identifier: Apache-2.0
#pragma once

// Gateways that share a disk, and the cluster that keeps it: each gateway is a namespace of one target, with a memory
// disk and a shared_store of its own. A gateway whose client is fenced has a disk that answers with path errors.

#include "nvmf/reservation/shared_store.h"
#include "nvmf/testing/fake_cluster.h"
#include "nvmf/testing/reservation_fixture.h"

#include <array>
#include <vector>

namespace causeway::nvmf::test {

class shared_reservation_fixture {
  public:
    explicit shared_reservation_fixture(std::size_t gateways, std::uint64_t seed = 1)
        : cluster(seed), w(seed, 3, options()) {
        cluster.on_fenced = [this](std::size_t g) { break_disk(g); };
        for (std::size_t g = 0; g < gateways; ++g)
            disks.push_back(w.make_faulty("disk" + std::to_string(g)));
        for (std::size_t g = 0; g < gateways; ++g)
            w.add(s, disks[g]->name());
        const std::string names[] = {host_a, host_b, host_c};
        for (std::size_t i = 0; i < hosts.size(); ++i)
            hosts[i] = w.make_host(names[i], 2);
    }
    ~shared_reservation_fixture() {
        for (fake_object* const o : cluster.gateways)
            if (o)
                w.at_control([o] { o->go_on(); });
        w.pass(std::chrono::seconds(60));  // whatever waits for a time limit ends
    }

    static std::uint32_t nsid_of(std::size_t gateway) { return static_cast<std::uint32_t>(gateway + 1); }
    fake_object& object(std::size_t gateway) { return *cluster.gateways[gateway]; }
    void stop(std::size_t gateway) {
        w.at_control([&] { object(gateway).stop(); });
    }
    void go_on(std::size_t gateway) {
        w.at_control([&] { object(gateway).go_on(); });
    }
    bool is_fenced(std::size_t gateway) { return cluster.is_fenced(object(gateway).address()); }
    void break_disk(std::size_t gateway) {
        disks[gateway]->clear_rules();
        disks[gateway]->add_rule({.status = sc::internal_path_error});
    }
    /// A new client: what fence_recovery does for an image.
    core::task<> recover(std::size_t gateway) {
        object(gateway).reconnect();
        const auto joined = co_await stores[gateway]->rejoin();
        recovering[gateway] = false;
        if (joined)
            disks[gateway]->clear_rules();
    }
    void start_recovery(std::size_t gateway) {
        if (std::exchange(recovering[gateway], true))
            return;
        w.at_control([&] { core::detach(recover(gateway)); });
    }

    capsule& send_reservation(const host& h, std::size_t gateway, nvme::command c, const bytes& data) {
        c.nsid = nsid_of(gateway);
        return h.queues[0]->send(c, data);
    }
    status finish(capsule& c) {
        EXPECT_TRUE(w.until([&] { return c.answered; }));
        return c.status().with_more(false);
    }
    status register_by(const host& h, std::size_t gateway, std::uint64_t key) {
        return finish(send_reservation(h, gateway, reservation_command(nvme::io_opcode::reservation_register, 0),
                                       raw(nvme::reservation_register_data{.crkey = 0, .nrkey = key})));
    }
    capsule& send_acquire(const host& h, std::size_t gateway, std::uint64_t key, nvme::reservation_type type,
                          unsigned action = 0, std::uint64_t other = 0) {
        return send_reservation(h, gateway, reservation_command(nvme::io_opcode::reservation_acquire, action, type),
                                raw(nvme::reservation_acquire_data{.crkey = key, .prkey = other}));
    }
    status acquire_by(const host& h, std::size_t gateway, std::uint64_t key, nvme::reservation_type type) {
        return finish(send_acquire(h, gateway, key, type));
    }
    status release_by(const host& h, std::size_t gateway, std::uint64_t key, nvme::reservation_type type) {
        return finish(send_reservation(h, gateway, reservation_command(nvme::io_opcode::reservation_release, 0, type),
                                       raw(nvme::reservation_release_data{.crkey = key})));
    }
    status write_by(const host& h, std::size_t gateway) {
        return h.queues[0]->call(io(nvme::io_opcode::write, nsid_of(gateway)), bytes(512)).status().with_more(false);
    }
    status read_by(const host& h, std::size_t gateway) {
        return h.queues[0]->call(io(nvme::io_opcode::read, nsid_of(gateway)), bytes(512)).status().with_more(false);
    }

    fake_cluster cluster;
    std::vector<reservation::shared_store*> stores;
    nvmf_fixture w;
    subsystem& s = w.make_subsystem();
    std::vector<std::shared_ptr<bdev::fault_device>> disks;
    std::array<host, 3> hosts;
    std::array<bool, 3> recovering{};

  private:
    target_options options() {
        target_options o;
        o.reservation_stores = [this](core::reactor_group& group, bdev::device&, const std::string&) {
            auto made = std::make_unique<reservation::shared_store>(
                group, std::make_unique<fake_object>(cluster, stores.size()));
            stores.push_back(made.get());
            return made;
        };
        return o;
    }
};

}  // namespace causeway::nvmf::test
