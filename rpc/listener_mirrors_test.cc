// SPDX-License-Identifier: Apache-2.0
#include "rpc/listener_mirrors.h"

#include "core/condition_variable.h"
#include "core/log.h"
#include "rpc/testing/rpc_fixture.h"

#include <fmt/format.h>
#include <optional>
#include <set>

namespace causeway::rpc {
namespace {

using test::method_fixture;
using test::parsed;

constexpr const char* nqn = R"({"nqn": "nqn.2024-01.io.example:m"})";
constexpr const char* no_device_there = "192.0.2.9";

/// What the fabrics of a test wait for, and what they lack.
struct fabric_state {
    bool has_device = true;     ///< RDMA: also at `no_device_there`
    bool holds_listen = false;  ///< RDMA
    bool holds_stop = false;    ///< TCP
    core::condition_variable changed;

    core::task<> wait(bool fabric_state::*holds) {
        co_await changed.wait([this, holds] { return !(this->*holds); });
    }
    void let_go(bool fabric_state::*holds) {
        this->*holds = false;
        changed.notify_all();
    }
};

/// A fabric that listens and never has a connection. Over RDMA one address may have no device.
class silent_transport final : public nvmf::transport {
  public:
    silent_transport(std::string trtype, nvmf::transport_options options, fabric_state& state)
        : trtype_(std::move(trtype)), options_(options), state_(state) {}

    std::string_view trtype() const noexcept override { return trtype_; }
    const nvmf::transport_options& options() const noexcept override { return options_; }
    bool offers_secure_channel() const noexcept override { return trtype_ == "TCP"; }
    core::task<core::result<>> listen(std::shared_ptr<const nvmf::port> at) override {
        if (trtype_ == "RDMA")
            co_await state_.wait(&fabric_state::holds_listen);
        if (trtype_ == "RDMA" && at->at.traddr == no_device_there && !state_.has_device)
            co_return core::fail(ENODEV, "no RDMA device has this address", at->at.text());
        co_return core::result<>();
    }
    core::task<> stop_listening(std::shared_ptr<const nvmf::port>) override {
        if (trtype_ == "TCP")
            co_await state_.wait(&fabric_state::holds_stop);
    }
    core::task<> stop() override { co_return; }
    std::uint64_t pending_data_buffers(std::size_t) const override { return 0; }
    std::uint32_t sgls() const noexcept override { return 0; }
    std::uint8_t msdbd() const noexcept override { return 1; }

  private:
    const std::string trtype_;
    const nvmf::transport_options options_;
    fabric_state& state_;
};

nvmf::transport_kind silent(const std::string& trtype, fabric_state& s) {
    return {trtype, {}, [trtype, &s](nvmf::target&, const nvmf::transport_options& o, const nvmf::own_option_list&) {
                return core::result<std::unique_ptr<nvmf::transport>>(std::make_unique<silent_transport>(trtype, o, s));
            }};
}

json address(const std::string& trtype, const std::string& port, const std::string& traddr = "192.0.2.1") {
    return {{"trtype", trtype}, {"adrfam", "IPv4"}, {"traddr", traddr}, {"trsvcid", port}};
}

class mirrored_listeners : public ::testing::Test {
  protected:
    explicit mirrored_listeners(bool with_rdma = true) {
        w.start();
        w.result("nvmf_create_transport", R"({"trtype": "TCP"})");
        if (with_rdma)
            w.result("nvmf_create_transport", R"({"trtype": "RDMA"})");
        w.result("nvmf_create_subsystem",
                 R"({"nqn": "nqn.2024-01.io.example:m", "ana_reporting": true, "max_namespaces": 2})");
    }

    answer call(const char* method, const json& at, json more = json::object()) {
        more["nqn"] = "nqn.2024-01.io.example:m";
        more["listen_address"] = at;
        return w.call(method, std::move(more));
    }
    answer add(const json& at, json more = json::object()) {
        return call("nvmf_subsystem_add_listener", at, std::move(more));
    }
    /// Begins a call, and lets it come to where it waits or ends; the answer is put into `to` then.
    void begin(const char* method, const json& at, std::optional<answer>& to, json more = json::object()) {
        more["nqn"] = "nqn.2024-01.io.example:m";
        more["listen_address"] = at;
        w.sim.group().control().execute([&] {
            core::detach(w.dispatcher.call(method, std::move(more)), [&to](answer a) { to.emplace(std::move(a)); });
        });
        w.sim.run_for(std::chrono::milliseconds(1));
    }
    void let_go(bool fabric_state::*holds) {
        w.sim.group().control().execute([this, holds] { fabrics.let_go(holds); });
    }
    answer remove(const json& at) { return call("nvmf_subsystem_remove_listener", at); }
    /// "TCP 4420: optimized inaccessible": a line for each.
    std::set<std::string> listeners() {
        std::set<std::string> all;
        for (const json& l : w.result("nvmf_subsystem_get_listeners", nqn)) {
            const json& at = l["address"];
            std::string line = fmt::format("{} {}:", at["trtype"].get<std::string>(), at["trsvcid"].get<std::string>());
            for (const json& group : l["ana_states"])
                line += " " + group["ana_state"].get<std::string>();
            all.insert(std::move(line));
        }
        return all;
    }
    std::size_t saved_listeners() {
        std::size_t count = 0;
        for (const json& c : w.result("framework_get_config", R"({"name": "nvmf"})"))
            count += c["method"] == "nvmf_subsystem_add_listener";
        return count;
    }

    fabric_state fabrics;
    method_fixture w{1, 2, {silent("TCP", fabrics), silent("RDMA", fabrics)}};
};
using names = std::set<std::string>;

TEST_F(mirrored_listeners, there_are_none_unless_the_operator_wants_them) {
    ASSERT_TRUE(add(address("TCP", "4420")));
    EXPECT_EQ(listeners(), (names{"TCP 4420: optimized optimized"}));
}

TEST_F(mirrored_listeners, come_change_and_go_with_their_tcp_listener) {
    w.nvmf.mirrors.enable("");
    ASSERT_TRUE(add(address("TCP", "4420"), {{"ana_state", "inaccessible"}}));
    EXPECT_EQ(listeners(), (names{"TCP 4420: inaccessible inaccessible", "RDMA 4420: inaccessible inaccessible"}));
    EXPECT_EQ(w.result("nvmf_get_subsystems", nqn)[0]["listen_addresses"].size(), 2u);
    ASSERT_TRUE(call("nvmf_subsystem_listener_set_ana_state", address("TCP", "4420"),
                     {{"ana_state", "optimized"}, {"anagrpid", 2}}));
    EXPECT_EQ(listeners(), (names{"TCP 4420: inaccessible optimized", "RDMA 4420: inaccessible optimized"}));
    EXPECT_EQ(saved_listeners(), 1u) << "the TCP listener makes the other one again";

    const answer refused = remove(address("RDMA", "4420"));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().message,
              "RDMA 192.0.2.1:4420 stands beside TCP 192.0.2.1:4420 (--mirror-listeners), and goes with it");
    ASSERT_TRUE(remove(address("TCP", "4420")));
    EXPECT_EQ(listeners(), names{});
}

TEST_F(mirrored_listeners, a_port_of_their_own_serves_several_tcp_listeners) {
    w.nvmf.mirrors.enable("4430");
    ASSERT_TRUE(add(address("TCP", "4420")));
    ASSERT_TRUE(add(address("TCP", "4421"), {{"ana_state", "non_optimized"}}));
    EXPECT_EQ(listeners(), (names{"TCP 4420: optimized optimized", "TCP 4421: non_optimized non_optimized",
                                  "RDMA 4430: optimized optimized"}));
    ASSERT_TRUE(remove(address("TCP", "4420")));
    EXPECT_EQ(listeners(), (names{"TCP 4421: non_optimized non_optimized", "RDMA 4430: non_optimized non_optimized"}));
    ASSERT_TRUE(remove(address("TCP", "4421")));
    EXPECT_EQ(listeners(), names{});
}

TEST_F(mirrored_listeners, tcp_serves_alone_where_rdma_cannot) {
    w.nvmf.mirrors.enable("");
    fabrics.has_device = false;
    ASSERT_TRUE(add(address("TCP", "4420", no_device_there)));
    EXPECT_EQ(listeners(), (names{"TCP 4420: optimized optimized"}));
    ASSERT_TRUE(add(address("TCP", "4421"), {{"secure_channel", true}}));
    EXPECT_EQ(listeners(), (names{"TCP 4420: optimized optimized", "TCP 4421: optimized optimized"}))
        << "what needs TLS is not offered without";
    ASSERT_TRUE(remove(address("TCP", "4420", no_device_there)));
    EXPECT_EQ(listeners(), (names{"TCP 4421: optimized optimized"}));
}

TEST_F(mirrored_listeners, what_an_operator_adds_himself_is_his) {
    w.nvmf.mirrors.enable("");
    ASSERT_TRUE(add(address("RDMA", "4420"), {{"ana_state", "inaccessible"}}));
    ASSERT_TRUE(add(address("TCP", "4420")));
    EXPECT_EQ(listeners(), (names{"TCP 4420: optimized optimized", "RDMA 4420: inaccessible inaccessible"}));
    EXPECT_EQ(saved_listeners(), 2u);
    ASSERT_TRUE(remove(address("TCP", "4420")));
    EXPECT_EQ(listeners(), (names{"RDMA 4420: inaccessible inaccessible"}));

    // The other way round, as a configuration from a gateway without mirrors has it.
    ASSERT_TRUE(add(address("TCP", "4421")));
    ASSERT_TRUE(add(address("RDMA", "4421"), {{"ana_state", "non_optimized"}}));
    EXPECT_EQ(saved_listeners(), 3u);
    ASSERT_TRUE(remove(address("TCP", "4421")));
    EXPECT_EQ(listeners(), (names{"RDMA 4420: inaccessible inaccessible", "RDMA 4421: non_optimized non_optimized"}));
}

TEST_F(mirrored_listeners, a_deleted_subsystem_leaves_none_behind) {
    w.nvmf.mirrors.enable("");
    ASSERT_TRUE(add(address("TCP", "4420")));
    w.result("nvmf_delete_subsystem", nqn);
    w.result("nvmf_create_subsystem", R"({"nqn": "nqn.2024-01.io.example:m", "ana_reporting": true,
                                          "max_namespaces": 2})");
    ASSERT_TRUE(add(address("RDMA", "4420")));
    EXPECT_EQ(saved_listeners(), 1u);
    EXPECT_TRUE(remove(address("RDMA", "4420")));
}

TEST_F(mirrored_listeners, that_cannot_be_added_are_tried_again_and_logged_once) {
    w.nvmf.mirrors.enable("");
    fabrics.has_device = false;
    core::log::flush();  // what tests before this one have logged
    ::testing::internal::CaptureStderr();
    ASSERT_TRUE(add(address("TCP", "4420", no_device_there)));
    ASSERT_TRUE(call("nvmf_subsystem_listener_set_ana_state", address("TCP", "4420", no_device_there),
                     {{"ana_state", "inaccessible"}, {"anagrpid", 2}}));
    w.sim.run_for(std::chrono::minutes(5));
    EXPECT_EQ(listeners(), (names{"TCP 4420: optimized inaccessible"}));
    fabrics.has_device = true;
    w.sim.run_for(std::chrono::minutes(1));
    EXPECT_EQ(listeners(), (names{"TCP 4420: optimized inaccessible", "RDMA 4420: optimized inaccessible"}));
    EXPECT_EQ(saved_listeners(), 1u);
    core::log::flush();
    const std::string log = ::testing::internal::GetCapturedStderr();
    const auto first = log.find("has no RDMA listener beside it");
    EXPECT_NE(first, std::string::npos) << log;
    EXPECT_EQ(log.find("has no RDMA listener beside it", first + 1), std::string::npos) << log;
}

TEST_F(mirrored_listeners, that_cannot_be_added_are_forgotten_with_their_tcp_listener) {
    w.nvmf.mirrors.enable("");
    fabrics.has_device = false;
    ASSERT_TRUE(add(address("TCP", "4420", no_device_there)));
    ASSERT_TRUE(remove(address("TCP", "4420", no_device_there)));
    fabrics.has_device = true;
    w.sim.run_for(std::chrono::minutes(2));
    EXPECT_EQ(listeners(), names{});
}

class mirrors_before_rdma : public mirrored_listeners {
  protected:
    mirrors_before_rdma() : mirrored_listeners(false) {}
};

TEST_F(mirrors_before_rdma, come_with_the_transport) {
    w.nvmf.mirrors.enable("");
    ASSERT_TRUE(add(address("TCP", "4420")));
    EXPECT_EQ(listeners(), (names{"TCP 4420: optimized optimized"}));
    w.result("nvmf_create_transport", R"({"trtype": "RDMA"})");
    EXPECT_EQ(listeners(), (names{"TCP 4420: optimized optimized", "RDMA 4420: optimized optimized"}));
}

TEST_F(mirrored_listeners, one_that_fails_late_leaves_its_successor_alone) {
    w.nvmf.mirrors.enable("");
    fabrics.holds_listen = true;
    std::optional<answer> first, gone, second;
    begin("nvmf_subsystem_add_listener", address("TCP", "4420"), first);
    begin("nvmf_subsystem_remove_listener", address("TCP", "4420"), gone);
    begin("nvmf_subsystem_add_listener", address("TCP", "4420"), second);
    let_go(&fabric_state::holds_listen);
    ASSERT_TRUE(w.sim.run_until([&] { return first && gone && second; }));
    EXPECT_EQ(listeners(), (names{"TCP 4420: optimized optimized", "RDMA 4420: optimized optimized"}));
    EXPECT_EQ(saved_listeners(), 1u) << "the second mirror is still known as one";
    ASSERT_TRUE(remove(address("TCP", "4420")));
    EXPECT_EQ(listeners(), names{});
}

TEST_F(mirrored_listeners, are_removed_while_connections_of_their_tcp_listener_hang) {
    w.nvmf.mirrors.enable("");
    ASSERT_TRUE(add(address("TCP", "4420")));
    fabrics.holds_stop = true;
    std::optional<answer> gone;
    begin("nvmf_subsystem_remove_listener", address("TCP", "4420"), gone);
    EXPECT_FALSE(gone);
    EXPECT_EQ(listeners(), names{}) << "no host comes by either";
    let_go(&fabric_state::holds_stop);
    ASSERT_TRUE(w.sim.run_until([&] { return gone.has_value(); }));
    EXPECT_TRUE(*gone);
}

TEST_F(mirrored_listeners, pass_to_another_tcp_listener_without_being_closed) {
    w.nvmf.mirrors.enable("4430");
    ASSERT_TRUE(add(address("TCP", "4420")));
    ASSERT_TRUE(add(address("TCP", "4421"), {{"ana_state", "non_optimized"}}));
    const auto mirror = [&] {
        const auto found = w.nvmf.target->find_subsystem("nqn.2024-01.io.example:m")
                               ->listeners()
                               .find_listener({"RDMA", "IPv4", "192.0.2.1", "4430"});
        return found ? **found : nullptr;
    };
    const auto before = mirror();
    ASSERT_TRUE(before);
    ASSERT_TRUE(remove(address("TCP", "4420")));
    EXPECT_EQ(mirror(), before) << "its hosts stay connected";
    EXPECT_EQ(listeners(), (names{"TCP 4421: non_optimized non_optimized", "RDMA 4430: non_optimized non_optimized"}));
    EXPECT_EQ(saved_listeners(), 1u);
}

TEST_F(mirrored_listeners, are_made_anew_where_their_states_cannot_be_left) {
    w.nvmf.mirrors.enable("4430");
    ASSERT_TRUE(add(address("TCP", "4420"), {{"ana_state", "persistent_loss"}}));
    ASSERT_TRUE(add(address("TCP", "4421")));
    ASSERT_TRUE(remove(address("TCP", "4420")));
    EXPECT_EQ(listeners(), (names{"TCP 4421: optimized optimized", "RDMA 4430: optimized optimized"}));
}

TEST_F(mirrored_listeners, have_the_states_of_their_tcp_listener_and_no_others) {
    w.nvmf.mirrors.enable("");
    ASSERT_TRUE(add(address("TCP", "4420")));
    const answer refused =
        call("nvmf_subsystem_listener_set_ana_state", address("RDMA", "4420"), {{"ana_state", "inaccessible"}});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().message, "RDMA 192.0.2.1:4420 stands beside TCP 192.0.2.1:4420 (--mirror-listeners), and "
                                       "has its ANA states: set those of TCP 192.0.2.1:4420");
    EXPECT_EQ(listeners(), (names{"TCP 4420: optimized optimized", "RDMA 4420: optimized optimized"}));
}

TEST_F(mirrored_listeners, become_the_operators_own_only_when_they_listen) {
    w.nvmf.mirrors.enable("");
    fabrics.holds_listen = true;
    std::optional<answer> tcp;
    begin("nvmf_subsystem_add_listener", address("TCP", "4420"), tcp);
    const answer early = add(address("RDMA", "4420"));
    ASSERT_FALSE(early);
    EXPECT_EQ(early.error().code, -EBUSY);
    EXPECT_NE(early.error().message.find("try again"), std::string::npos);
    let_go(&fabric_state::holds_listen);
    ASSERT_TRUE(w.sim.run_until([&] { return tcp.has_value(); }));
    EXPECT_TRUE(add(address("RDMA", "4420")));
    EXPECT_EQ(saved_listeners(), 2u);
}

}  // namespace
}  // namespace causeway::rpc
