// SPDX-License-Identifier: Apache-2.0
#pragma once

// A gateway's methods on a target in virtual time, with the fabric that needs no network. For tests of this folder and
// of those above it.

#include "bdev/memory_device.h"
#include "bdev/null_device.h"
#include "bdev/registry.h"
#include "core/simulation.h"
#include "host/loop/host_controller.h"
#include "rpc/device_kinds.h"
#include "rpc/dispatcher.h"
#include "rpc/framework_methods.h"
#include "rpc/log_methods.h"
#include "rpc/nvmf_service.h"
#include "rpc/reactor_methods.h"
#include "transport/loop/loop_transport.h"

#include <gtest/gtest.h>
#include <memory>
#include <optional>
#include <string>

namespace causeway::rpc::test {

inline json parsed(std::string_view text) {
    auto p = parse_json(text);
    EXPECT_TRUE(p) << p.error() << ": " << text;
    return p ? std::move(p->value) : json();
}

class method_fixture {
  public:
    /// `kinds`: of transports, beside LOOP and BROKEN.
    explicit method_fixture(std::uint64_t seed = 1, std::size_t cores = 2, std::vector<nvmf::transport_kind> kinds = {})
        : sim(seed, cores) {
        nvmf.transport_kinds = std::move(kinds);
        add_subsystems(config);
        using made_transport = core::result<std::unique_ptr<nvmf::transport>>;
        const auto make_loop = [this](nvmf::target& t, const nvmf::transport_options& o,
                                      const nvmf::own_option_list&) -> made_transport {
            auto made = loop::loop_transport::create(t, o);
            if (!made)
                return tl::make_unexpected(made.error());
            fabric = made->get();
            return std::move(*made);
        };
        const auto make_broken = [](nvmf::target&, const nvmf::transport_options&,
                                    const nvmf::own_option_list&) -> made_transport {
            return core::fail(ENODEV, "this machine has none");
        };
        nvmf.transport_kinds.push_back({"LOOP", {}, make_loop});
        nvmf.transport_kinds.push_back({"BROKEN", {}, make_broken});
        add_framework_methods(methods, cycle, config);
        add_reactor_methods(methods, sim.group(), devices);
        add_log_methods(methods);
        add_nvmf_methods(methods, config, nvmf);
    }
    ~method_fixture() {
        if (nvmf.target)
            run([](method_fixture& w) -> core::task<bool> {
                co_await w.nvmf.mirrors.stop();
                co_await w.nvmf.target->shutdown();
                co_return true;
            }(*this));
    }

    /// Runs a task on the control reactor to its end.
    template <class T>
    T run(core::task<T> t) {
        std::optional<T> value;
        sim.group().control().execute([&] { core::detach(std::move(t), [&](T v) { value.emplace(std::move(v)); }); });
        EXPECT_TRUE(sim.run_until([&] { return value.has_value(); }));
        return std::move(*value);
    }
    answer call(const std::string& method, json params) { return run(dispatcher.call(method, std::move(params))); }
    answer call(const std::string& method, const char* params = "null") { return call(method, parsed(params)); }
    /// REQUIRES: it succeeds.
    json result(const std::string& method, const char* params = "null") {
        const answer a = call(method, params);
        EXPECT_TRUE(a) << method << ": " << a.error().message;
        return a ? *a : json();
    }

    void start() { EXPECT_EQ(result("framework_start_init"), json(true)); }
    /// 1 MiB of memory in blocks of 512 bytes, homed on the last core.
    void add_memory(const std::string& name) {
        bdev::device_geometry g;
        g.block_size = 512;
        g.blocks = 2048;
        EXPECT_TRUE(
            devices.add(*bdev::memory_device::create(sim[sim.group().size() - 1], name, g, bdev::random_uuid())));
    }
    /// A transport, and a subsystem "nqn.2024-01.io.example:a" that listens, allows any host and has a namespace.
    void furnish() {
        start();
        add_memory("Malloc0");
        result("nvmf_create_transport", R"({"trtype": "LOOP"})");
        result("nvmf_create_subsystem", R"({"nqn": "nqn.2024-01.io.example:a", "allow_any_host": true})");
        result("nvmf_subsystem_add_ns",
               R"({"nqn": "nqn.2024-01.io.example:a", "namespace": {"bdev_name": "Malloc0"}})");
        result("nvmf_subsystem_add_listener",
               R"({"nqn": "nqn.2024-01.io.example:a", "listen_address": {"trtype": "LOOP", "traddr": "here"}})");
    }

    core::simulation sim;
    core::placement homes{sim.group()};
    bdev::registry devices{sim.group()};
    nvmf_service nvmf;
    saved_config config;
    method_table methods;
    lifecycle cycle{[this]() -> core::task<core::result<>> {
        nvmf.target = std::make_unique<nvmf::target>(homes, devices, nvmf.options);
        co_return core::result<>{};
    }};
    rpc::dispatcher dispatcher{sim.group().control(), methods, cycle};
    loop::loop_transport* fabric = nullptr;
};

}  // namespace causeway::rpc::test
