// SPDX-License-Identifier: Apache-2.0
#include "bdev/testing/bdev_fixture.h"
#include "bdev_nvme/testing/model_fixture.h"
#include "rpc/bdev_nvme_service.h"

#include <gtest/gtest.h>

namespace causeway::rpc {
namespace {

using namespace std::chrono_literals;
using bdev_nvme::testing::model_namespace;
using bdev_nvme::testing::model_options;

constexpr int enodev = -19, eexist = -17, einval = -22, ebusy = -16;
constexpr const char* first_address = "0000:00:04.0";
constexpr const char* second_address = "0000:00:05.0";

class bdev_nvme_methods : public ::testing::Test {
  protected:
    bdev_nvme_methods() {
        config_.add_subsystem("bdev", {});
        add_bdev_methods(methods_, config_, bdev_);
        add_bdev_nvme_methods(methods_, config_, kinds_, service_);
        model_options two_disks;
        two_disks.address = first_address;
        two_disks.namespaces = {model_namespace{.blocks = 4096}, model_namespace{.blocks = 512, .lbads = 12}};
        first_ = w_.models.add(two_disks);
        model_options another;
        another.address = second_address;
        another.serial = "CWMODEL0002";
        another.cntlid = 7;
        second_ = w_.models.add(another);
    }
    ~bdev_nvme_methods() override {
        EXPECT_TRUE(w_.run(controllers_.close()));
        while (!w_.devices.all().empty())
            EXPECT_TRUE(w_.run(w_.devices.remove(w_.devices.all().back()->name())));
        EXPECT_EQ(w_.models.lent, 0u);
    }

    answer call(std::string_view name, const std::string& params = "null") {
        const method* m = methods_.find(name);
        EXPECT_TRUE(m) << name;
        auto ended = w_.run(m->call(json::parse(params)));
        EXPECT_TRUE(ended) << name << " never ends";
        return ended ? *ended : answer();
    }
    json good(std::string_view name, const std::string& params = "null") {
        auto a = call(name, params);
        EXPECT_TRUE(a) << name << params << ": " << (a ? "" : a.error().message);
        return a ? *a : json();
    }
    rpc_error bad(std::string_view name, const std::string& params) {
        const auto a = call(name, params);
        EXPECT_FALSE(a) << name << params;
        return a ? rpc_error{} : a.error();
    }
    json attach(const std::string& more = "") {
        return good("bdev_nvme_attach_controller",
                    R"({"name": "Nvme0", "trtype": "PCIe", "traddr": "0000:00:04.0")" + more + "}");
    }

    bdev_nvme::testing::model_fixture w_;
    std::shared_ptr<bdev_nvme::testing::controller_model> first_, second_;
    bdev_nvme::controllers controllers_{w_.devices, w_.models};
    core::placement homes_{w_.reactors.group, core::placement_policy::round_robin};
    device_kinds kinds_;
    saved_config config_;
    method_table methods_;
    bdev_service bdev_{w_.devices, homes_, kinds_};
    bdev_nvme_service service_{controllers_, w_.reactors.group};
};

TEST_F(bdev_nvme_methods, a_controller_is_attached_and_its_namespaces_are_devices) {
    EXPECT_EQ(attach(), json::parse(R"(["Nvme0n1", "Nvme0n2"])"));
    const json disk = good("bdev_get_bdevs", R"({"name": "Nvme0n2"})")[0];
    EXPECT_EQ(disk["product_name"], "NVMe disk");
    EXPECT_EQ(disk["block_size"], 4096);
    EXPECT_EQ(disk["num_blocks"], 512);
    EXPECT_EQ(disk["supported_io_types"]["copy"], true);
    EXPECT_EQ(disk["driver_specific"], json::parse(R"({"nvme": [{
        "pci_address": "0000:00:04.0", "trid": {"trtype": "PCIe", "traddr": "0000:00:04.0"},
        "ctrlr_data": {"cntlid": 1, "vendor_id": "0x1b36", "model_number": "Causeway controller model",
            "serial_number": "CWMODEL0001", "firmware_revision": "1.0",
            "subnqn": "nqn.2024-01.io.causeway:model:CWMODEL0001",
            "oacs": {"security": 0, "format": 0, "firmware": 0, "ns_manage": 0},
            "multi_ctrlr": false, "ana_reporting": false},
        "vs": {"nvme_version": "1.4"}, "ns_data": {"id": 2, "can_share": false}}],
        "mp_policy": "active_passive"})"))
        << disk["driver_specific"].dump(1);
    good("bdev_nvme_detach_controller", R"({"name": "Nvme0"})");
    EXPECT_TRUE(w_.devices.all().empty());
}

TEST_F(bdev_nvme_methods, the_transport_is_spelt_as_operators_like_and_what_only_networks_know_changes_nothing) {
    EXPECT_EQ(good("bdev_nvme_attach_controller", R"({"name": "a", "trtype": "pcie", "traddr": "0000:00:04.0",
        "adrfam": "IPv4", "trsvcid": "", "subnqn": "nqn.x", "hostnqn": "nqn.y", "hostaddr": "",
        "hostsvcid": "", "priority": "0", "fabrics_connect_timeout_us": 5, "multipath": "disable", "hdgst": false, "ctrlr_loss_timeout_sec": 0,
        "disable_sq_flow_control": true, "multipath_opts": {"policy": "active_active"}})")
                  .size(),
              2u);
    EXPECT_EQ(good("bdev_nvme_attach_controller",
                   R"({"name": "b", "trtype": "PCIE", "traddr": "0000:00:05.0", "max_bdevs": 1, "num_io_queues": 1})"),
              json::parse(R"(["bn1"])"));
    EXPECT_EQ(good("bdev_nvme_get_controllers", R"({"name": "b"})")[0]["ctrlrs"][0]["io_queues"], 1);
}

TEST_F(bdev_nvme_methods, what_is_wrong_is_refused_and_the_sentence_says_what) {
    attach();
    struct {
        const char* sentence;
        const char* method;
        const char* params;
        int code;
        const char* says;
    } const rows[] = {
        {"disks of other machines", "bdev_nvme_attach_controller",
         R"({"name": "x", "trtype": "TCP", "traddr": "10.0.0.1"})", einval, "TCP: only local controllers"},
        {"over RDMA", "bdev_nvme_attach_controller", R"({"name": "x", "trtype": "rdma", "traddr": "10.0.0.1"})", einval,
         "rdma: only local controllers"},
        {"no transport at all", "bdev_nvme_attach_controller", R"({"name": "x", "trtype": "", "traddr": "1"})", einval,
         "only local controllers are attached, by trtype PCIe"},
        {"a name in use", "bdev_nvme_attach_controller",
         R"({"name": "Nvme0", "trtype": "PCIe", "traddr": "0000:00:05.0"})", eexist, "Nvme0"},
        {"a controller in use", "bdev_nvme_attach_controller",
         R"({"name": "x", "trtype": "PCIe", "traddr": "0000:00:04.0"})", ebusy, "0000:00:04.0"},
        {"an empty slot", "bdev_nvme_attach_controller", R"({"name": "x", "trtype": "PCIe", "traddr": "0000:00:09.0"})",
         enodev, "0000:00:09.0"},
        {"no device at most", "bdev_nvme_attach_controller",
         R"({"name": "x", "trtype": "PCIe", "traddr": "0000:00:05.0", "max_bdevs": 0})", -32602, "max_bdevs"},
        {"no queue at most", "bdev_nvme_attach_controller",
         R"({"name": "x", "trtype": "PCIe", "traddr": "0000:00:05.0", "num_io_queues": 0})", -32602, "num_io_queues"},
        {"digests that would not be there", "bdev_nvme_attach_controller",
         R"({"name": "x", "trtype": "PCIe", "traddr": "0000:00:05.0", "hdgst": true})", -32602,
         "'hdgst' must be false"},
        {"a key that nobody would ask for", "bdev_nvme_attach_controller",
         R"({"name": "x", "trtype": "PCIe", "traddr": "0000:00:05.0", "psk": "key"})", -32602,
         "'psk' is not supported"},
        {"waiting for what is lost", "bdev_nvme_attach_controller",
         R"({"name": "x", "trtype": "PCIe", "traddr": "0000:00:05.0", "ctrlr_loss_timeout_sec": -1})", -32602,
         "'ctrlr_loss_timeout_sec' must be 0"},
        {"nobody, detached", "bdev_nvme_detach_controller", R"({"name": "x"})", enodev, "x: there is no such"},
        {"a path it does not have", "bdev_nvme_detach_controller",
         R"({"name": "Nvme0", "trtype": "PCIe", "traddr": "0000:00:05.0"})", enodev, "0000:00:04.0"},
        {"a path over a network", "bdev_nvme_detach_controller",
         R"({"name": "Nvme0", "trtype": "TCP", "traddr": "0000:00:04.0"})", enodev, "0000:00:04.0"},
        {"nobody, listed", "bdev_nvme_get_controllers", R"({"name": "x"})", enodev, "x"},
        {"nobody, reset", "bdev_nvme_reset_controller", R"({"name": "x"})", enodev, "x"},
        {"another cntlid", "bdev_nvme_reset_controller", R"({"name": "Nvme0", "cntlid": 2})", enodev, "cntlid 1"},
        {"nobody's health", "bdev_nvme_get_controller_health_info", R"({"name": "x"})", enodev, "x"},
        {"hot plug without a decision", "bdev_nvme_set_hotplug", "{}", -32602, "enable"},
        {"too long a period", "bdev_nvme_set_hotplug", R"({"enable": true, "period_us": 10000001})", -32602,
         "from 0 to 10000000"},
        {"no such action", "bdev_nvme_set_options", R"({"action_on_timeout": "panic"})", -32602, "action_on_timeout"},
        {"a timeout beyond all bounds", "bdev_nvme_set_options", R"({"timeout_us": 18446744073709551615})", -32602,
         "'timeout_us' must be a whole number from 0 to 86400000000"},
        {"queues looked at now and then", "bdev_nvme_set_options", R"({"nvme_ioq_poll_period_us": 100})", -32602,
         "every turn"},
        {"events looked at all the time", "bdev_nvme_set_options", R"({"nvme_adminq_poll_period_us": 0})", -32602,
         "from 1 to 86400000000"},
    };
    for (const auto& row : rows) {
        const auto error = bad(row.method, row.params);
        EXPECT_EQ(error.code, row.code) << row.sentence;
        EXPECT_NE(error.message.find(row.says), std::string::npos) << row.sentence << ": " << error.message;
    }
    EXPECT_EQ(w_.devices.all().size(), 2u);
}

TEST_F(bdev_nvme_methods, controllers_are_listed_with_their_state) {
    EXPECT_EQ(good("bdev_nvme_get_controllers"), json::array());
    attach();
    const json all = good("bdev_nvme_get_controllers");
    EXPECT_EQ(all, json::parse(R"([{"name": "Nvme0", "ctrlrs": [{
        "state": "enabled", "trid": {"trtype": "PCIe", "traddr": "0000:00:04.0"}, "cntlid": 1,
        "host": {"nqn": "", "addr": "", "svcid": "", "no_shn_notification": false},
        "bdevs": ["Nvme0n1", "Nvme0n2"], "io_queues": 2, "resets": 0, "failed_resets": 0, "aborts": 0}]}])"))
        << all.dump(1);
}

TEST_F(bdev_nvme_methods, a_controller_is_detached_by_its_place_however_that_is_written) {
    attach();
    good("bdev_nvme_detach_controller", R"({"name": "Nvme0", "trtype": "pcie", "traddr": "00:04.0"})");
    EXPECT_EQ(good("bdev_nvme_get_controllers"), json::array());
    attach();
    EXPECT_EQ(w_.devices.all().size(), 2u);
}

TEST_F(bdev_nvme_methods, a_reset_is_one) {
    attach();
    const auto before = first_->enables();
    good("bdev_nvme_reset_controller", R"({"name": "Nvme0"})");
    EXPECT_EQ(first_->enables(), before + 1);
    good("bdev_nvme_reset_controller", R"({"name": "Nvme0", "cntlid": 1})");
    const json c = good("bdev_nvme_get_controllers")[0]["ctrlrs"][0];
    EXPECT_EQ(c["state"], "enabled");
    EXPECT_EQ(c["resets"], 2);
}

TEST_F(bdev_nvme_methods, health_is_read_when_it_is_asked_for) {
    attach();
    auto& h = first_->health();
    h.composite_temperature = 315;
    h.available_spare = 90;
    h.available_spare_threshold = 10;
    h.percentage_used = 12;
    h.power_cycles = {3, 0};
    h.media_errors = {0, 1};  // more than 64 bits
    h.temperature_sensor[0] = 310;
    h.temperature_sensor[3] = 270;
    const json health = good("bdev_nvme_get_controller_health_info", R"({"name": "Nvme0"})");
    EXPECT_EQ(health["model_number"], "Causeway controller model");
    EXPECT_EQ(health["serial_number"], "CWMODEL0001");
    EXPECT_EQ(health["traddr"], first_address);
    EXPECT_EQ(health["critical_warning"], 0);
    EXPECT_EQ(health["temperature_celsius"], 42);
    EXPECT_EQ(health["available_spare_percentage"], 90);
    EXPECT_EQ(health["available_spare_threshold_percentage"], 10);
    EXPECT_EQ(health["percentage_used"], 12);
    EXPECT_EQ(health["power_cycles"], 3);
    EXPECT_EQ(health["media_errors"], 18446744073709551615ull);
    EXPECT_EQ(health["temperature_sensor_celsius"], json::parse("[37, -3]"));
    for (const char* key :
         {"firmware_revision", "data_units_read", "data_units_written", "host_read_commands", "host_write_commands",
          "controller_busy_time", "power_on_hours", "unsafe_shutdowns", "num_err_log_entries",
          "warning_temperature_time_minutes", "critical_composite_temperature_time_minutes"})
        EXPECT_TRUE(health.contains(key)) << key;
}

TEST_F(bdev_nvme_methods, statistics_are_of_each_cores_queues) {
    attach();
    good("bdev_nvme_attach_controller", R"({"name": "Nvme1", "trtype": "PCIe", "traddr": "0000:00:05.0"})");
    std::string data(4096, 'x');
    for (const char* name : {"Nvme0n1", "Nvme1n1"}) {
        bdev::test::request write(bdev::op::write, 0, 8, bdev::test::cut(data, 4096));
        w_.reactors[1].execute([&] { w_.devices.find(name)->start(write); });
        ASSERT_TRUE(w_.until([&] { return write.ended(); }));
        EXPECT_EQ(write.status, nvme::sc::success);
    }
    const json groups = good("bdev_nvme_get_transport_statistics")["poll_groups"];
    ASSERT_EQ(groups.size(), 2u);
    EXPECT_EQ(groups[1]["thread"], "nvmf_tgt_poll_group_001");
    const json mine = groups[1]["transports"][0];
    EXPECT_EQ(mine["trname"], "PCIE");
    EXPECT_EQ(mine["submitted_requests"], 2);
    EXPECT_EQ(mine["completions"], 2);
    EXPECT_EQ(mine["sq_mmio_doorbell_updates"], 2);
    EXPECT_EQ(mine["queued_requests"], 0);
    EXPECT_GT(mine["polls"], 0);
    EXPECT_EQ(groups[0]["transports"][0]["submitted_requests"], 0);
}

TEST_F(bdev_nvme_methods, options_that_are_not_said_stay_as_they_are) {
    good("bdev_nvme_set_options", R"({"action_on_timeout": "reset", "timeout_us": 5000000})");
    good("bdev_nvme_set_options", R"({"timeout_admin_us": 7000000, "bdev_retry_count": -1, "delay_cmd_submit": true})");
    const auto& o = controllers_.options();
    EXPECT_EQ(o.on_timeout, bdev_nvme::timeout_action::reset);
    EXPECT_EQ(o.io_timeout, 5s);
    EXPECT_EQ(o.admin_timeout, 7s);
    good("bdev_nvme_set_options", R"({"timeout_us": 0, "timeout_admin_us": 0})");
    EXPECT_EQ(o.io_timeout, 0s) << "none";
    EXPECT_EQ(o.admin_timeout, bdev_nvme::controller_options().admin_timeout) << "the usual one";
    EXPECT_EQ(methods_.find("bdev_nvme_set_options")->when, states::any);
}

TEST_F(bdev_nvme_methods, hot_plug_attaches_what_appears) {
    good("bdev_nvme_set_hotplug", R"({"enable": true, "period_us": 1000})");
    EXPECT_TRUE(w_.until([&] { return controllers_.all().size() == 2; }));
    good("bdev_nvme_set_hotplug", R"({"enable": false})");
    EXPECT_EQ(good("bdev_nvme_get_controllers")[0]["name"], "HotInNvme0");
}

TEST_F(bdev_nvme_methods, a_saved_configuration_brings_everything_back_in_order) {
    EXPECT_EQ(*config_.of("bdev"), json::array()) << "nothing was done, nothing is saved";
    attach(R"(, "max_bdevs": 5, "num_io_queues": 1)");
    good("bdev_nvme_attach_controller", R"({"name": "Nvme1", "trtype": "PCIe", "traddr": "0000:00:05.0"})");
    good("bdev_error_create", R"({"base_name": "Nvme1n1"})");
    good("bdev_nvme_set_options", R"({"action_on_timeout": "none", "timeout_us": 1000})");
    good("bdev_nvme_set_hotplug", R"({"enable": true, "period_us": 200000})");
    const json saved = *config_.of("bdev");
    std::vector<std::string> order;
    for (const json& c : saved)
        order.push_back(c["method"]);
    EXPECT_EQ(order,
              (std::vector<std::string>{"bdev_nvme_set_options", "bdev_nvme_attach_controller",
                                        "bdev_nvme_attach_controller", "bdev_error_create", "bdev_nvme_set_hotplug"}));
    EXPECT_EQ(saved[0]["params"], json::parse(R"({"action_on_timeout": "none", "timeout_us": 1000,
                                                  "timeout_admin_us": 30000000,
                                                  "nvme_adminq_poll_period_us": 10000})"));
    EXPECT_EQ(saved[1]["params"], json::parse(R"({"name": "Nvme0", "trtype": "PCIe", "traddr": "0000:00:04.0",
                                                  "max_bdevs": 5, "num_io_queues": 1})"));
    EXPECT_EQ(saved[2]["params"], json::parse(R"({"name": "Nvme1", "trtype": "PCIe", "traddr": "0000:00:05.0"})"));

    good("bdev_nvme_set_hotplug", R"({"enable": false})");
    for (const char* name : {"Nvme0", "Nvme1"})
        good("bdev_nvme_detach_controller", R"({"name": ")" + std::string(name) + "\"}");
    EXPECT_TRUE(w_.devices.all().empty()) << "what stood on them is gone with them";
    for (const json& c : saved)
        good(c["method"].get<std::string>(), c["params"].dump());
    EXPECT_EQ(*config_.of("bdev"), saved);
    good("bdev_nvme_set_hotplug", R"({"enable": false})");
}

}  // namespace
}  // namespace causeway::rpc
