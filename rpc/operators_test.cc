// SPDX-License-Identifier: Apache-2.0
// Operators who do not wait for each other: every pair of methods at once, and many calls in a row, in an order drawn
// from a seed. Whatever comes of it, calls end, and what is listed is what there is.

#include "core/random.h"
#include "rpc/testing/rpc_fixture.h"

#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <set>

namespace causeway::rpc {
namespace {

struct operation {
    std::string method;
    json params;
};

const std::string nqns[] = {"nqn.2024-01.io.example:a", "nqn.2024-01.io.example:b"};

json listener(const std::string& nqn, const char* traddr) {
    return {{"nqn", nqn}, {"listen_address", {{"trtype", "LOOP"}, {"traddr", traddr}}}};
}

class operators : public ::testing::Test {
  protected:
    operators() {
        std::string name = std::filesystem::temp_directory_path() / "causeway-operators-XXXXXX";
        folder_ = ::mkdtemp(name.data());
        key_ = folder_ / "key";
        std::ofstream(key_) << "NVMeTLSkey-1:00:what operators know:\n";
        std::filesystem::permissions(key_, std::filesystem::perms(0600));
    }
    ~operators() override { std::filesystem::remove_all(folder_); }

    /// What makes all that there can be, in this order. The last one succeeds where the other subsystem has lost its
    /// disk.
    std::vector<operation> makers() const {
        std::vector<operation> all{{"nvmf_create_transport", {{"trtype", "LOOP"}}},
                                   {"keyring_file_add_key", {{"name", "k"}, {"path", key_.string()}}}};
        for (const std::string& nqn : nqns) {
            const std::size_t i = nqn == nqns[0] ? 0 : 1;
            all.push_back({"nvmf_create_subsystem", {{"nqn", nqn}}});
            all.push_back({"nvmf_subsystem_add_host", {{"nqn", nqn}, {"host", nqns[i] + "-host"}, {"psk", "k"}}});
            all.push_back({"nvmf_subsystem_add_host", {{"nqn", nqn}, {"host", "nqn.2024-01.io.example:plain"}}});
            all.push_back({"nvmf_subsystem_allow_any_host", {{"nqn", nqn}, {"allow_any_host", true}}});
            all.push_back({"nvmf_subsystem_add_ns",
                           {{"nqn", nqn}, {"namespace", {{"bdev_name", fmt::format("Malloc{}", i)}, {"nsid", 1u}}}}});
            all.push_back({"nvmf_subsystem_add_listener", listener(nqn, "shared")});
            all.push_back({"nvmf_subsystem_add_listener", listener(nqn, i ? "b" : "a")});
        }
        all.push_back({"nvmf_subsystem_add_ns", {{"nqn", nqns[0]}, {"namespace", {{"bdev_name", "Malloc1"}}}}});
        return all;
    }
    std::vector<operation> others() const {
        std::vector<operation> all{{"keyring_file_remove_key", {{"name", "k"}}},
                                   {"framework_get_config", {{"name", "nvmf"}}},
                                   {"nvmf_get_subsystems", json::object()}};
        for (const std::string& nqn : nqns) {
            const std::size_t i = nqn == nqns[0] ? 0 : 1;
            all.push_back({"nvmf_delete_subsystem", {{"nqn", nqn}}});
            all.push_back({"nvmf_subsystem_remove_host", {{"nqn", nqn}, {"host", nqns[i] + "-host"}}});
            all.push_back({"nvmf_subsystem_allow_any_host", {{"nqn", nqn}, {"allow_any_host", false}}});
            all.push_back({"nvmf_subsystem_set_ns_visibility", {{"nqn", nqn}, {"nsid", 1u}, {"auto_visible", i == 0}}});
            for (const char* method : {"nvmf_ns_add_host", "nvmf_ns_remove_host"})
                all.push_back({method, {{"nqn", nqn}, {"nsid", 1u}, {"host", nqns[i] + "-host"}}});
            all.push_back({"nvmf_subsystem_remove_ns", {{"nqn", nqn}, {"nsid", 1u}}});
            all.push_back({"nvmf_subsystem_remove_listener", listener(nqn, "shared")});
            all.push_back({"nvmf_subsystem_remove_listener", listener(nqn, i ? "b" : "a")});
        }
        return all;
    }

    /// A gateway with two disks, and the calls to it.
    struct gateway : test::method_fixture {
        explicit gateway(std::uint64_t seed) : method_fixture(seed, 3) {
            start();
            add_memory("Malloc0");
            add_memory("Malloc1");
        }
        /// Issues all of them before the first one is answered; ends with the last answer.
        void at_once(const std::vector<operation>& calls) {
            std::size_t answered = 0;
            sim.group().control().execute([&] {
                for (const operation& c : calls)
                    core::detach(dispatcher.call(c.method, c.params), [&](answer) { ++answered; });
            });
            ASSERT_TRUE(sim.run_until([&] { return answered == calls.size(); }));
        }
        /// What is listed is what there is.
        void check() {
            std::set<std::string> listed;
            std::set<std::string> disks;
            std::size_t keys = 0;
            for (const json& s : result("nvmf_get_subsystems")) {
                for (const json& at : s["listen_addresses"])
                    listed.insert(at.dump());
                for (const json& host : s["hosts"])
                    keys += host.contains("psk");
                for (const json& ns : s.value("namespaces", json::array()))
                    disks.insert(ns["bdev_name"]);
            }
            std::set<std::string> listening;
            for (const auto& p : fabric->ports())
                EXPECT_TRUE(listening.insert(to_json(p->at).dump()).second) << p->at.text() << " twice";
            EXPECT_EQ(listening, listed);
            for (const char* disk : {"Malloc0", "Malloc1"})
                EXPECT_EQ(devices.find(disk)->claimed_by() != nullptr, disks.contains(disk)) << disk;
            std::size_t used = 0;
            for (const auto& [which, removed, uses] : nvmf.keys.all())
                used += static_cast<std::size_t>(uses) - (removed ? 0 : 1);  // the keyring's own
            EXPECT_EQ(used, keys);
        }
    };

    std::filesystem::path folder_, key_;
};

TEST_F(operators, every_pair_of_calls_at_once) {
    gateway w(1);
    for (const operation& made : makers()) {
        const answer a = w.call(made.method, made.params);
        EXPECT_TRUE(a || a.error().message.find("in use") != std::string::npos) << made.params << a.error().message;
    }
    std::vector<operation> all = makers();
    for (operation& c : others())
        all.push_back(std::move(c));
    for (const operation& first : all)
        for (const operation& second : all) {
            SCOPED_TRACE(first.method + first.params.dump() + " with " + second.method + second.params.dump());
            for (const operation& made : makers())
                w.at_once({made});
            w.at_once({first, second});
            w.check();
            if (HasFailure())
                return;
        }
}

TEST_F(operators, many_calls_at_once_in_any_order) {
    std::vector<operation> all = makers();
    for (operation& c : others())
        all.push_back(std::move(c));
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        SCOPED_TRACE(seed);
        gateway w(seed);
        w.at_once({makers().front()});
        for (int round = 0; round < 50; ++round) {
            std::vector<operation> calls;
            for (std::uint64_t n = w.sim.random().between(2, 12); n > 0; --n)
                calls.push_back(all[w.sim.random().below(all.size())]);
            w.at_once(calls);
            w.check();
            if (HasFailure())
                return;
        }
    }
}

}  // namespace
}  // namespace causeway::rpc
