// SPDX-License-Identifier: Apache-2.0
// What a host is told in a controller's last moment. Do Not Retry is final: Linux removes a disk whose Identify says
// it, and gives an association up. So no status that comes of what passes has it.

#include "nvmf/testing/target_fixture.h"

namespace causeway::nvmf::test {
namespace {

using nvme::admin_opcode;
using nvme::cns;

struct ending {
    const char* sentence;
    std::function<void(nvmf_fixture&, subsystem&, host&)> begin;
};

nvme::cc enabled() {
    return nvme::cc().set_iosqes(6).set_iocqes(4).set_en(true);
}

const ending endings[] = {
    {"the host resets its controller",
     [](nvmf_fixture&, subsystem&, host& h) { h.admin->send(property_set(nvme::property::cc, 0)); }},
    {"the host shuts its controller down",
     [](nvmf_fixture&, subsystem&, host& h) {
         h.admin->send(property_set(nvme::property::cc, enabled().set_shn(nvme::cc::shutdown::normal).value));
     }},
    {"the host is taken off the list",
     [](nvmf_fixture& w, subsystem& s, host&) {
         w.sim.group().control().execute([&s] { core::detach(s.access().set_allow_any_host(false)); });
     }},
    {"the subsystem is deleted",
     [](nvmf_fixture& w, subsystem&, host&) {
         w.sim.group().control().execute([&w] { core::detach(w.target.delete_subsystem(subsystem_nqn), [](auto) {}); });
     }},
    {"the gateway is shutting down",
     [](nvmf_fixture& w, subsystem&, host&) {
         w.sim.group().control().execute([&w] { core::detach(w.target.shutdown()); });
     }},
    {"the host is thought dead",
     [](nvmf_fixture& w, subsystem& s, host&) {
         w.sim.group().control().execute([&s] {
             if (!s.controllers().all().empty())
                 s.controllers().all().begin()->second->on_keep_alive_timeout();
         });
     }},
    {"the connection is lost", [](nvmf_fixture&, subsystem&, host& h) { h.admin->drop(); }},
};

std::vector<nvme::command> what_a_host_asks() {
    return {identify(cns::controller),
            identify(cns::ns, 1),
            identify(cns::ns_id_descriptors, 1),
            identify(cns::active_ns_list),
            get_log_page(nvme::lid::smart, 512),
            set_features(nvme::fid::async_event_configuration, 0x100),
            get_features(nvme::fid::number_of_queues),
            set_features(nvme::fid::number_of_queues, 0),
            admin(admin_opcode::async_event_request),
            admin(admin_opcode::keep_alive),
            abort(1, 77),
            property_get(nvme::property::csts)};
}

TEST(last_moment, says_nothing_that_is_final) {
    for (const ending& e : endings) {
        SCOPED_TRACE(e.sentence);
        for (std::uint64_t seed = 1; seed <= 20; ++seed) {
            SCOPED_TRACE(seed);
            nvmf_fixture w(seed);
            auto& s = w.make_subsystem();
            w.make_memory("disk");
            w.add(s, "disk", 1);
            host h = w.make_host(host_a, 1);
            const auto commands = what_a_host_asks();
            std::vector<const capsule*> sent;
            for (std::size_t i = 0; i < commands.size(); ++i) {
                if (i == seed % commands.size())
                    e.begin(w, s, h);
                sent.push_back(&h.admin->send(commands[i]));
                sent.push_back(&h.queues[0]->send(io(nvme::io_opcode::read, 1), bytes(512)));
                w.pass(core::nanoseconds(w.sim.random().below(3000)));
            }
            w.pass(std::chrono::seconds(1));
            for (const capsule* c : sent) {
                if (c->answered) {
                    EXPECT_FALSE(c->status().dnr())
                        << "opcode " << unsigned{c->command.opcode} << ": " << nvme::to_string(c->status());
                }
            }
        }
    }
}

struct refusal {
    const char* sentence;
    std::function<const capsule&(nvmf_fixture&)> send;
    status answer;  ///< as far as it is looked at: type, code and Do Not Retry
};

const refusal refusals[] = {
    {"an admin command before the controller is enabled",
     [](nvmf_fixture& w) -> const capsule& {
         auto& c = w.connect_to(1);
         c.call(connect(0), raw(connect_data(subsystem_nqn, host_a)));
         return c.call(identify(cns::ns, 1));
     },
     sc::command_sequence_error},
    {"a command before Connect",
     [](nvmf_fixture& w) -> const capsule& { return w.connect_to(1).call(property_get(nvme::property::cap)); },
     sc::command_sequence_error},
    {"Connect of a queue whose old connection is still there",
     [](nvmf_fixture& w) -> const capsule& {
         host h = w.make_host(host_a, 1);
         return w.connect_to(2).call(connect(1), raw(connect_data(subsystem_nqn, host_a, h.cntlid)));
     },
     sc::command_sequence_error},
    {"a second Connect while the first one runs",
     [](nvmf_fixture& w) -> const capsule& {
         auto& c = w.connect_to(1);
         c.send(connect(0), raw(connect_data(subsystem_nqn, host_a)));
         return c.call(connect(0), raw(connect_data(subsystem_nqn, host_a)));
     },
     sc::command_sequence_error},
    {"a second Connect after the first one: on this connection it can only fail",
     [](nvmf_fixture& w) -> const capsule& {
         host h = w.make_host(host_a, 0);
         return h.admin->call(connect(0), raw(connect_data(subsystem_nqn, host_a)));
     },
     sc::command_sequence_error.with_dnr()},
    {"Number of Queues while there are queues",
     [](nvmf_fixture& w) -> const capsule& {
         host h = w.make_host(host_a, 1);
         return h.admin->call(set_features(nvme::fid::number_of_queues, 0));
     },
     sc::command_sequence_error},
    {"one Asynchronous Event Request too many",
     [](nvmf_fixture& w) -> const capsule& {
         host h = w.make_host(host_a, 0);
         for (unsigned i = 0; i < nvmf::async_events::limit; ++i)
             h.admin->send(admin(admin_opcode::async_event_request));
         return h.admin->call(admin(admin_opcode::async_event_request));
     },
     sc::async_event_limit_exceeded},
    {"an I/O command on a queue that has no controller",
     [](nvmf_fixture& w) -> const capsule& { return w.connect_to(1).call(io(nvme::io_opcode::read, 1)); },
     sc::command_sequence_error},
};

TEST(last_moment, only_what_cannot_pass_is_refused_for_good) {
    for (const refusal& r : refusals) {
        SCOPED_TRACE(r.sentence);
        nvmf_fixture w;
        w.make_subsystem();
        const status answer = r.send(w).status();
        EXPECT_TRUE(answer.is(r.answer)) << nvme::to_string(answer);
        EXPECT_EQ(answer.dnr(), r.answer.dnr());
    }
}

}  // namespace
}  // namespace causeway::nvmf::test
