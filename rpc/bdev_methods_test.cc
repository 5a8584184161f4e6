// SPDX-License-Identifier: Apache-2.0
#include "bdev/fault_device.h"
#include "bdev/testing/bdev_fixture.h"
#include "rpc/bdev_rbd_service.h"
#include "rpc/bdev_service.h"

#include <gtest/gtest.h>

namespace causeway::rpc {
namespace {

using namespace std::chrono_literals;
using bdev::op;
using bdev::test::cut;
using bdev::test::request;

constexpr int enodev = -19, eexist = -17, enoent = -2, einval = -22, ebusy = -16, enomem = -12;

/// Threads of a cluster that never answers.
struct no_threads final : core::blocking_executor {
    void submit(std::function<void()> work) override { never_run.push_back(std::move(work)); }
    std::vector<std::function<void()>> never_run;
};

class bdev_methods : public ::testing::Test {
  protected:
    bdev_methods() {
        config_.add_subsystem("bdev", {});
        add_bdev_methods(methods_, config_, service_);
        add_bdev_rbd_methods(methods_, config_, kinds_, rbd_service_);
    }
    ~bdev_methods() override {
        for (auto all = devices_.all(); !all.empty(); all = devices_.all())
            EXPECT_TRUE(bdev::test::run(s_, devices_.remove(all.back()->name())));
    }

    answer call(std::string_view name, const std::string& params = "null") {
        const method* m = methods_.find(name);
        EXPECT_TRUE(m) << name;
        return bdev::test::run(s_, m->call(json::parse(params)));
    }
    json good(std::string_view name, const std::string& params = "null") {
        auto a = call(name, params);
        EXPECT_TRUE(a) << name << params << ": " << (a ? "" : a.error().message);
        return a ? *a : json();
    }
    int code(std::string_view name, const std::string& params) {
        const auto a = call(name, params);
        return a ? 0 : a.error().code;
    }
    void io(const std::string& device, std::size_t core, request&& r, nvme::status expected = nvme::sc::success) {
        EXPECT_EQ(bdev::test::run(s_, *devices_.find(device), core, r), expected);
    }

    core::simulation s_{17, 2};
    bdev::registry devices_{s_.group()};
    core::placement homes_{s_.group(), core::placement_policy::round_robin};
    ceph::clusters clusters_{s_.group()};
    bdev_rbd::disks disks_{devices_, clusters_, homes_};
    device_kinds kinds_;
    saved_config config_;
    method_table methods_;
    bdev_service service_{devices_, homes_, kinds_};
    bdev_rbd_service rbd_service_{disks_, clusters_};
};

TEST_F(bdev_methods, a_memory_device_as_clients_see_it) {
    EXPECT_EQ(good("bdev_malloc_create", R"({"block_size": 512, "num_blocks": 2048,
                    "uuid": "11111111-2222-3333-4444-555555555555"})"),
              "Malloc0");
    const json all = good("bdev_get_bdevs");
    const json expected = json::parse(R"([{
        "name": "Malloc0", "aliases": [], "product_name": "Malloc disk", "block_size": 512, "num_blocks": 2048,
        "preferred_write_alignment": 0, "preferred_write_granularity": 0, "optimal_write_size": 0,
        "preferred_unmap_alignment": 0, "preferred_unmap_granularity": 0,
        "uuid": "11111111-2222-3333-4444-555555555555",
        "assigned_rate_limits": {"rw_ios_per_sec": 0, "rw_mbytes_per_sec": 0, "r_mbytes_per_sec": 0,
                                 "w_mbytes_per_sec": 0},
        "claimed": false, "zoned": false,
        "supported_io_types": {"read": true, "write": true, "unmap": true, "flush": true, "reset": false,
            "nvme_admin": false, "nvme_io": false, "nvme_io_md": false, "write_zeroes": true, "zcopy": false,
            "get_zone_info": false, "zone_management": false, "zone_append": false, "compare": true,
            "compare_and_write": true, "abort": false, "seek_hole": false, "seek_data": false, "copy": true,
            "nvme_iov_md": false, "nvme_nssr": false},
        "driver_specific": {}}])");
    EXPECT_EQ(all, expected) << all.dump(1);
    EXPECT_EQ(good("bdev_get_bdevs", R"({"name": "Malloc0"})"), expected);
    EXPECT_EQ(good("bdev_get_bdevs", R"({"name": "11111111-2222-3333-4444-555555555555"})"), expected);
}

TEST_F(bdev_methods, disks_get_their_main_threads_in_turn_and_give_them_back) {
    for (const char* name : {"a", "b", "c"})
        good("bdev_malloc_create", R"({"block_size": 512, "num_blocks": 8, "name": ")" + std::string(name) + "\"}");
    EXPECT_EQ(devices_.find("a")->home()->index(), 0u);
    EXPECT_EQ(devices_.find("b")->home()->index(), 1u);
    EXPECT_EQ(homes_.count_on(0, core::lease_kind::disk), 2u);
    good("bdev_malloc_delete", R"({"name": "a"})");
    EXPECT_EQ(homes_.count_on(0, core::lease_kind::disk), 1u);
}

struct wrong_row {
    const char* sentence;
    const char* method;
    const char* params;
    int code;
};
const wrong_row wrong_rows[] = {
    {"no such device", "bdev_get_bdevs", R"({"name": "x"})", enodev},
    {"no such device, after a while", "bdev_get_bdevs", R"({"name": "x", "timeout": 100})", enodev},
    {"a name in use", "bdev_null_create", R"({"name": "m", "block_size": 512, "num_blocks": 8})", eexist},
    {"a name in use by another kind", "bdev_malloc_create", R"({"name": "n", "block_size": 512, "num_blocks": 8})",
     eexist},
    {"a uuid in use", "bdev_null_create", R"({"name": "x", "block_size": 512, "num_blocks": 8,
        "uuid": "11111111-2222-3333-4444-555555555555"})",
     eexist},
    {"a block size that is none", "bdev_null_create", R"({"name": "x", "block_size": 513, "num_blocks": 8})", -32602},
    {"a fence policy that is none", "bdev_rbd_register_cluster", R"({"name": "c", "on_fenced": "retry"})", -32602},
    {"no blocks", "bdev_null_create", R"({"name": "x", "block_size": 512, "num_blocks": 0})", -32602},
    {"too many blocks", "bdev_null_create", R"({"name": "x", "block_size": 512, "num_blocks": 18446744073709551615})",
     -32602},
    {"blocks that no command carries", "bdev_null_create", R"({"name": "x", "block_size": 131072, "num_blocks": 8})",
     -32602},
    {"a uuid that identifies nothing", "bdev_null_create", R"({"name": "x", "block_size": 512, "num_blocks": 8,
        "uuid": "00000000-0000-0000-0000-000000000000"})",
     -32602},
    {"no name", "bdev_null_create", R"({"name": "", "block_size": 512, "num_blocks": 8})", -32602},
    {"a name that steers a terminal", "bdev_malloc_create",
     R"({"name": "x\u001b[2J", "block_size": 512, "num_blocks": 8})", -32602},
    {"a granularity of more than 16 bits", "bdev_null_create",
     R"({"name": "x", "block_size": 512, "num_blocks": 8, "preferred_write_granularity": 65537})", -32602},
    {"more memory than there is", "bdev_malloc_create", R"({"block_size": 512, "num_blocks": 1125899906842624})",
     enomem},
    {"a CPU that is not there", "bdev_rbd_register_cluster", R"({"name": "c", "core_mask": "[1000]"})", einval},
    {"metadata", "bdev_malloc_create", R"({"block_size": 512, "num_blocks": 8, "md_size": 8})", -32602},
    {"a number in a string", "bdev_malloc_create", R"({"block_size": "512", "num_blocks": 8})", -32602},
    {"a device of another kind", "bdev_null_delete", R"({"name": "m"})", enodev},
    {"a device of another kind, the other way", "bdev_malloc_delete", R"({"name": "n"})", enodev},
    {"a shrink", "bdev_null_resize", R"({"name": "n", "new_size": 0})", einval},
    {"a size beyond all bounds", "bdev_null_resize", R"({"name": "n", "new_size": 18446744073709551615})", -32602},
    {"statistics of nobody", "bdev_get_iostat", R"({"name": "x"})", enodev},
    {"both spellings", "bdev_get_iostat", R"({"name": "n", "names": ["n"]})", -32602},
    {"cores of many", "bdev_get_iostat", R"({"names": ["n", "m"], "per_channel": true})", -32602},
    {"cores of all", "bdev_get_iostat", R"({"per_channel": true})", -32602},
    {"no such mode", "bdev_reset_iostat", R"({"mode": "some"})", -32602},
    {"faults of nobody", "bdev_error_create", R"({"base_name": "x"})", enodev},
    {"faults in what is no fault device", "bdev_error_inject_error",
     R"({"name": "n", "io_type": "read", "error_type": "failure"})", enodev},
    {"no cluster", "bdev_rbd_get_clusters_info", "null", enoent},
    {"no such cluster", "bdev_rbd_get_clusters_info", R"({"name": "x"})", enoent},
    {"no such cluster to use", "bdev_rbd_create",
     R"({"pool_name": "rbd", "rbd_name": "i", "block_size": 512, "cluster_name": "x"})", enoent},
    {"an image without a name", "bdev_rbd_create",
     R"({"pool_name": "rbd", "rbd_name": "", "block_size": 512, "cluster_name": "x"})", einval},
    {"two spellings of a namespace", "bdev_rbd_create",
     R"({"pool_name": "rbd", "namespace": "a", "namespace_name": "a", "rbd_name": "i", "block_size": 512})", -32602},
    {"settings that are no strings", "bdev_rbd_create",
     R"({"pool_name": "rbd", "rbd_name": "i", "block_size": 512, "config": {"a": 1}})", -32602},
    {"no such image device", "bdev_rbd_delete", R"({"name": "x"})", enodev},
    {"an image device that is none", "bdev_rbd_delete", R"({"name": "m"})", enodev},
    {"an image device that is none, resized", "bdev_rbd_resize", R"({"name": "m", "new_size": 1})", enodev},
    {"no such cluster to remove", "bdev_rbd_unregister_cluster", R"({"name": "x"})", enoent},
    {"no such cluster to wait for", "bdev_rbd_wait_for_latest_osdmap", R"({"name": "x"})", enoent},
    {"no such image to read the size of", "bdev_rbd_resize", R"({"name": "x", "new_size": 0})", enodev},
};

TEST_F(bdev_methods, what_is_wrong_is_refused_with_the_code_that_clients_know) {
    good("bdev_malloc_create", R"({"name": "m", "block_size": 512, "num_blocks": 8,
                                   "uuid": "11111111-2222-3333-4444-555555555555"})");
    good("bdev_null_create", R"({"name": "n", "block_size": 512, "num_blocks": 4096})");
    for (const auto& r : wrong_rows)
        EXPECT_EQ(code(r.method, r.params), r.code) << r.sentence;
    EXPECT_EQ(devices_.all().size(), 2u);
}

TEST_F(bdev_methods, a_device_may_be_waited_for) {
    std::optional<answer> waited;
    s_[0].execute([&] {
        core::detach(methods_.find("bdev_get_bdevs")->call(json::parse(R"({"name": "late", "timeout": 1000})")),
                     [&](answer a) { waited = std::move(a); });
    });
    s_.run_for(500ms);
    EXPECT_FALSE(waited) << waited->error().message;
    good("bdev_null_create", R"({"name": "late", "block_size": 512, "num_blocks": 8})");
    s_.run_until_idle();
    ASSERT_TRUE(waited && *waited);
    EXPECT_EQ((**waited)[0]["name"], "late");
}

TEST_F(bdev_methods, a_null_device_grows) {
    good("bdev_null_create", R"({"name": "n", "block_size": 4096, "num_blocks": 256})");
    good("bdev_null_resize", R"({"name": "n", "new_size": 3})");
    EXPECT_EQ(devices_.find("n")->blocks(), 768u);
}

TEST_F(bdev_methods, iostat_adds_up_the_cores_or_shows_them) {
    good("bdev_null_create", R"({"name": "n", "block_size": 512, "num_blocks": 4096})");
    std::string data(4096, '\0'), other(512, 'x');
    for (int i = 0; i < 3; ++i)
        io("n", 0, request(op::read, 0, 8, cut(data, 4096)));
    io("n", 1, request(op::write, 0, 2, cut(data, 1024)));
    io("n", 1, request(op::unmap, 0, 16));
    request copy(op::copy, 100, 3);
    const std::vector<bdev::copy_source> sources = {{0, 1}, {7, 2}};
    copy.sources = sources;
    io("n", 0, std::move(copy));
    io("n", 0, request(op::verify, 0, 4096));
    io("n", 1, request(op::compare, 0, 1, cut(other, 512)), nvme::sc::compare_failure.with_dnr());
    io("n", 1, request(op::read, 4096, 1), nvme::sc::lba_out_of_range.with_dnr());

    const json all = good("bdev_get_iostat");
    EXPECT_EQ(all["tick_rate"], 1'000'000'000u);
    EXPECT_TRUE(all["ticks"].is_number());
    const json n = all["bdevs"][0];
    EXPECT_EQ(n["name"], "n");
    EXPECT_EQ(n["bytes_read"], 3 * 4096);
    EXPECT_EQ(n["num_read_ops"], 3);
    EXPECT_EQ(n["bytes_written"], 1024);
    EXPECT_EQ(n["num_write_ops"], 1);
    EXPECT_EQ(n["bytes_unmapped"], 8192);
    EXPECT_EQ(n["num_unmap_ops"], 1);
    EXPECT_EQ(n["bytes_copied"], 1536);
    EXPECT_EQ(n["num_copy_ops"], 1);
    EXPECT_EQ(n["io_error"], json::parse(R"({"nvme_error": 1, "miscompare": 1})"));
    for (const char* key : {"read_latency_ticks", "max_read_latency_ticks", "min_read_latency_ticks",
                            "write_latency_ticks", "max_unmap_latency_ticks", "min_copy_latency_ticks"})
        EXPECT_TRUE(n.contains(key)) << key;

    const json cores = good("bdev_get_iostat", R"({"names": ["n"], "per_channel": true})");
    EXPECT_EQ(cores["name"], "n");
    ASSERT_EQ(cores["channels"].size(), 2u);
    EXPECT_EQ(cores["channels"][0]["thread_id"], 1);
    EXPECT_EQ(cores["channels"][0]["num_read_ops"], 3);
    EXPECT_EQ(cores["channels"][1]["num_write_ops"], 1);

    EXPECT_EQ(good("bdev_get_iostat", R"({"name": "n", "reset_mode": "error"})")["bdevs"][0], n);
    json after = good("bdev_get_iostat", R"({"name": "n"})")["bdevs"][0];
    EXPECT_EQ(after["io_error"], json::object()) << "exporters read it without asking whether it is there";
    EXPECT_EQ(after["num_read_ops"], 3);
    good("bdev_reset_iostat", R"({"name": "n"})");
    after = good("bdev_get_iostat", R"({"name": "n"})")["bdevs"][0];
    EXPECT_EQ(after["num_read_ops"], 0);
    EXPECT_EQ(devices_.find("n")->in_flight(), 0u);
}

/// To the byte: clients read it by position and by name.
TEST_F(bdev_methods, iostat_keeps_its_members_and_their_order) {
    good("bdev_null_create", R"({"name": "n", "block_size": 512, "num_blocks": 4096})");
    std::string data(4096, '\0');
    io("n", 0, request(op::read, 0, 8, cut(data, 4096)));
    io("n", 1, request(op::write, 0, 2, cut(data, 1024)));
    request both(op::compare_and_write, 0, 1, cut(data, 512));
    const auto written = cut(data, 512);
    both.write_data = written;
    io("n", 1, std::move(both));
    // Virtual time stands still meanwhile: the latencies are set by hand.
    auto& ops = devices_.find("n")->stats().on(1).ops;
    ops[unsigned(op::read)].count.set(1);
    for (const auto o : {op::read, op::write, op::compare_and_write}) {
        ops[unsigned(o)].ticks.set(100 + unsigned(o));
        ops[unsigned(o)].slowest.set(70 + unsigned(o));
        ops[unsigned(o)].fastest.set(30 + unsigned(o));
    }
    const std::string numbers =
        R"("bytes_read":4096,"num_read_ops":2,"bytes_written":1536,"num_write_ops":2,"bytes_unmapped":0,)"
        R"("num_unmap_ops":0,"bytes_copied":0,"num_copy_ops":0,)"
        R"("read_latency_ticks":100,"max_read_latency_ticks":70,"min_read_latency_ticks":30,)"
        R"("write_latency_ticks":207,"max_write_latency_ticks":76,"min_write_latency_ticks":31,)"
        R"("unmap_latency_ticks":0,"max_unmap_latency_ticks":0,"min_unmap_latency_ticks":0,)"
        R"("copy_latency_ticks":0,"max_copy_latency_ticks":0,"min_copy_latency_ticks":0)";
    EXPECT_EQ(good("bdev_get_iostat")["bdevs"].dump(), R"([{"name":"n",)" + numbers + R"(,"io_error":{}}])");

    io("n", 0, request(op::read, 4096, 1), nvme::sc::lba_out_of_range.with_dnr());
    std::string other(512, 'x');
    io("n", 1, request(op::compare, 0, 1, cut(other, 512)), nvme::sc::compare_failure.with_dnr());
    EXPECT_EQ(good("bdev_get_iostat", R"({"name": "n"})")["bdevs"].dump(),
              R"([{"name":"n",)" + numbers + R"(,"io_error":{"nvme_error":1,"miscompare":1}}])");
    json cores = good("bdev_get_iostat", R"({"name": "n", "per_channel": true})");
    cores.erase("ticks");
    const std::string head = R"({"tick_rate":1000000000,"name":"n","channels":[{"thread_id":1,"bytes_read":4096,)";
    EXPECT_EQ(cores.dump().substr(0, head.size()), head);
}

TEST_F(bdev_methods, faults_by_the_interfaces_words) {
    good("bdev_malloc_create", R"({"name": "m", "block_size": 512, "num_blocks": 8})");
    good("bdev_error_create", R"({"base_name": "m"})");
    EXPECT_EQ(code("bdev_error_create", R"({"base_name": "m"})"), ebusy);
    const std::string on = R"({"name": "EE_m", )";
    std::string data(512, 'x');
    good("bdev_error_inject_error", on + R"("io_type": "write", "error_type": "nvme_failure", "nvme_sct": 2,
                                            "nvme_sc": 128})");
    io("EE_m", 1, request(op::write, 0, 1, cut(data, 512)), nvme::sc::write_fault);
    io("EE_m", 1, request(op::write, 0, 1, cut(data, 512)));
    good("bdev_error_inject_error", on + R"("io_type": "read", "error_type": "corrupt_data", "corrupt_offset": 3,
                                            "corrupt_value": 33})");
    io("EE_m", 0, request(op::read, 0, 1, cut(data, 512)));
    EXPECT_EQ(data, "xxx!" + std::string(508, 'x'));

    good("bdev_error_inject_error", on + R"("io_type": "all", "error_type": "pending"})");
    request stuck(op::flush, 0, 0);
    s_[1].execute([&] { devices_.find("EE_m")->start(stuck); });
    s_.run_until_idle();
    EXPECT_FALSE(stuck.ended());
    EXPECT_EQ(good("bdev_get_bdevs", R"({"name": "EE_m"})")[0]["driver_specific"],
              json::parse(R"({"error_disk": {"base_bdev": "m", "pending": 1}})"));
    good("bdev_error_resume_pending", R"({"name": "EE_m"})");
    s_.run_until_idle();
    EXPECT_TRUE(stuck.ended());

    good("bdev_error_inject_error", on + R"("io_type": "all", "error_type": "failure", "num": 100})");
    good("bdev_error_inject_error", on + R"("io_type": "clear", "error_type": "failure"})");
    io("EE_m", 1, request(op::flush, 0, 0));
    EXPECT_EQ(code("bdev_error_inject_error", on + R"("io_type": "all", "error_type": "nvme_failure"})"), -32602);

    good("bdev_malloc_delete", R"({"name": "m"})");
    EXPECT_TRUE(devices_.all().empty()) << "it goes with its base";
}

TEST_F(bdev_methods, limits_are_set_one_by_one_and_removed) {
    const auto limits = [&] { return good("bdev_get_bdevs", R"({"name": "m"})")[0]["assigned_rate_limits"]; };
    const auto expected = [](int ios, int rw, int r, int w) {
        return json{
            {"rw_ios_per_sec", ios}, {"rw_mbytes_per_sec", rw}, {"r_mbytes_per_sec", r}, {"w_mbytes_per_sec", w}};
    };
    good("bdev_malloc_create", R"({"name": "m", "block_size": 512, "num_blocks": 2048})");
    EXPECT_EQ(good("bdev_set_qos_limit", R"({"name": "m", "rw_ios_per_sec": 1234, "r_mbytes_per_sec": 5})"), true);
    EXPECT_EQ(limits(), expected(1234, 0, 5, 0));
    good("bdev_set_qos_limit", R"({"name": "m", "rw_mbytes_per_sec": 6, "w_mbytes_per_sec": 7})");
    EXPECT_EQ(limits(), expected(1234, 6, 5, 7));
    good("bdev_set_qos_limit", R"({"name": "m", "rw_ios_per_sec": 0})");
    EXPECT_EQ(limits(), expected(0, 6, 5, 7));
    EXPECT_EQ(code("bdev_set_qos_limit", R"({"name": "m"})"), -32602);
    EXPECT_EQ(code("bdev_set_qos_limit", R"({"name": "x", "rw_ios_per_sec": 1})"), enodev);
    EXPECT_EQ(code("bdev_set_qos_limit", R"({"name": "m", "rw_ios_per_sec": -1})"), -32602);
}

TEST_F(bdev_methods, a_saved_configuration_brings_the_same_devices_back) {
    good("bdev_malloc_create", R"({"name": "m", "block_size": 512, "num_blocks": 2048})");
    good("bdev_null_create",
         R"({"name": "n", "block_size": 4096, "num_blocks": 100, "physical_block_size": 8192,
        "preferred_write_granularity": 1, "preferred_write_alignment": 2, "optimal_write_size": 3,
        "preferred_unmap_granularity": 4, "preferred_unmap_alignment": 5})");
    good("bdev_error_create", R"({"base_name": "m"})");
    good("bdev_set_qos_limit", R"({"name": "n", "rw_ios_per_sec": 2000, "w_mbytes_per_sec": 10})");
    const json before = good("bdev_get_bdevs"), saved = *config_.of("bdev");
    EXPECT_EQ(saved.size(), 4u);
    for (const char* name : {"EE_m", "m", "n"})
        EXPECT_TRUE(bdev::test::run(s_, devices_.remove(name)));
    for (const json& c : saved)
        good(c["method"].get<std::string>(), c["params"].dump());
    EXPECT_EQ(good("bdev_get_bdevs"), before);
    EXPECT_EQ(*config_.of("bdev"), saved);
}

TEST(bdev_rbd_clusters, the_fence_policy_is_saved_exactly_when_it_was_said) {
    core::simulation s{1, 1};
    no_threads silent;
    bdev::registry devices{s.group()};
    core::placement homes{s.group()};
    ceph::clusters clusters{s.group(), silent};
    bdev_rbd::disks disks{devices, clusters, homes};
    device_kinds kinds;
    saved_config config;
    method_table methods;
    config.add_subsystem("bdev", {});
    bdev_rbd_service service{disks, clusters, ceph::fence_policy::offline};
    add_bdev_rbd_methods(methods, config, kinds, service);
    s.group().control().execute([&] {
        for (const char* params : {R"({"name": "unsaid"})", R"({"name": "offline", "on_fenced": "offline"})",
                                   R"({"name": "reconnect", "on_fenced": "reconnect"})"}) {
            json call = json::parse(params);
            call["config_file"] = "/no/such/file";
            core::detach(methods.find("bdev_rbd_register_cluster")->call(call), [](const answer&) {});
        }
    });
    s.run_for(1ms);
    json saved;
    const auto calls = config.of("bdev");
    for (const json& call : *calls)
        saved[call["params"]["name"].get<std::string>()] = call["params"].value("on_fenced", "");
    EXPECT_EQ(saved, (json{{"unsaid", ""}, {"offline", "offline"}, {"reconnect", "reconnect"}}));
    while (!silent.never_run.empty()) {
        for (const auto& work : std::exchange(silent.never_run, {}))
            work();  // there is no such file
        s.run_for(1ms);
    }
    EXPECT_TRUE(config.of("bdev")->empty());
}

}  // namespace
}  // namespace causeway::rpc
