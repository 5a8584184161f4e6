// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "nvmf/testing/target_fixture.h"

namespace causeway::nvmf::test {

/// A subsystem that reports ANA and has two listeners, each with a host: `near` came by `here`, `far` by `elsewhere`.
/// Namespace 1 is "disk" and namespace 2 is "other", in the groups of their numbers.
class ana_fixture : public testing::Test {
  protected:
    ana_fixture() {
        subsystem_options o;
        o.nqn = subsystem_nqn;
        o.allow_any_host = true;
        o.ana_reporting = true;
        o.max_namespaces = 8;
        s = *w.run(w.target.create_subsystem(o));
        for (const transport_address& at : {here, elsewhere})
            EXPECT_TRUE(w.run(s->listeners().add(at)));
        w.add(*s, "disk", 1);
        w.add(*s, "other", 2);
        near = w.make_host(host_a, 2);
        w.hosts_connect_to = elsewhere;
        far = w.make_host(host_b, 1);
        w.hosts_connect_to = here;
    }

    int code(const core::result<>& r) { return r ? 0 : r.error().code; }
    int set(nvme::ana_state to, std::uint32_t group = 1, const transport_address& at = here) {
        return code(w.run(s->ana().set_state(at, to, group)));
    }
    int move(std::uint32_t nsid, std::uint32_t group) { return code(w.run(s->ana().move_namespace(nsid, group))); }
    const capsule& read_log(host& h, std::uint32_t length = 1024, bool rae = false) {
        return h.admin->call(get_log_page(nvme::lid::ana, length, 0, rae));
    }
    status read(host& h, std::uint32_t nsid = 1) {
        return h.queues[0]->call(io(nvme::io_opcode::read, nsid), bytes(512)).status().with_more(false);
    }
    status write(host& h, std::uint32_t nsid = 1, unsigned char value = 9) {
        return h.queues[0]->call(io(nvme::io_opcode::write, nsid), filled(512, value)).status().with_more(false);
    }
    /// A command whose data are still on their way when this returns.
    capsule& hold(connection& q, const nvme::command& c, bytes data) {
        q.hold = true;
        capsule& sent = q.send(c, std::move(data));
        EXPECT_TRUE(w.until([&] { return sent.held || sent.answered; }));
        q.hold = false;
        return sent;
    }
    status execute(capsule& c) {
        c.of->execute_held(c);
        EXPECT_TRUE(w.until([&] { return c.answered; }));
        return c.status().with_more(false);
    }
    /// Cores that have the refusal bit of ANA set.
    std::size_t refusal_bits(std::uint32_t nsid = 1) {
        std::size_t set = 0;
        for (std::size_t core = 0; core < w.sim.group().size(); ++core)
            set += (s->namespaces().table(core).find(nsid)->refusals & refusal::ana) != 0;
        return set;
    }

    nvmf_fixture w;
    std::shared_ptr<bdev::memory_device> disk = w.make_memory("disk");
    std::shared_ptr<bdev::fault_device> other = w.make_faulty("other");
    subsystem* s = nullptr;
    host near, far;
};

}  // namespace causeway::nvmf::test
