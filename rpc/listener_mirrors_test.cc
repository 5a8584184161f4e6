// SPDX-License-Identifier: Apache-2.0
#include "rpc/listener_mirrors.h"

#include "rpc/testing/rpc_fixture.h"

#include <fmt/format.h>
#include <set>

namespace causeway::rpc {
namespace {

using test::method_fixture;
using test::parsed;

constexpr const char* nqn = R"({"nqn": "nqn.2024-01.io.example:m"})";
constexpr const char* no_device_there = "192.0.2.9";

/// A fabric that listens and never has a connection. Over RDMA one address has no device.
class silent_transport final : public nvmf::transport {
  public:
    silent_transport(std::string trtype, nvmf::transport_options options)
        : trtype_(std::move(trtype)), options_(options) {}

    std::string_view trtype() const noexcept override { return trtype_; }
    const nvmf::transport_options& options() const noexcept override { return options_; }
    bool offers_secure_channel() const noexcept override { return trtype_ == "TCP"; }
    core::task<core::result<>> listen(std::shared_ptr<const nvmf::port> at) override {
        if (trtype_ == "RDMA" && at->at.traddr == no_device_there)
            co_return core::fail(ENODEV, "no RDMA device has this address", at->at.text());
        co_return core::result<>();
    }
    core::task<> stop_listening(std::shared_ptr<const nvmf::port>) override { co_return; }
    core::task<> stop() override { co_return; }
    std::uint64_t pending_data_buffers(std::size_t) const override { return 0; }
    std::uint32_t sgls() const noexcept override { return 0; }
    std::uint8_t msdbd() const noexcept override { return 1; }

  private:
    const std::string trtype_;
    const nvmf::transport_options options_;
};

nvmf::transport_kind silent(const std::string& trtype) {
    return {trtype, {}, [trtype](nvmf::target&, const nvmf::transport_options& o, const nvmf::own_option_list&) {
                return core::result<std::unique_ptr<nvmf::transport>>(std::make_unique<silent_transport>(trtype, o));
            }};
}

json address(const std::string& trtype, const std::string& port, const std::string& traddr = "192.0.2.1") {
    return {{"trtype", trtype}, {"adrfam", "IPv4"}, {"traddr", traddr}, {"trsvcid", port}};
}

class mirrored_listeners : public ::testing::Test {
  protected:
    mirrored_listeners() {
        w.start();
        w.result("nvmf_create_transport", R"({"trtype": "TCP"})");
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

    method_fixture w{1, 2, {silent("TCP"), silent("RDMA")}};
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

}  // namespace
}  // namespace causeway::rpc
