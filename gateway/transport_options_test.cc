// SPDX-License-Identifier: Apache-2.0
// The options that RDMA and TCP have of their own, as operators meet them: by nvmf_create_transport.
#include "rpc/testing/rpc_fixture.h"
#include "transport/rdma/rdma_transport.h"
#include "transport/tcp/tcp_transport.h"

#include <fstream>
#include <gtest/gtest.h>
#include <map>
#include <sstream>

namespace causeway::gateway {
namespace {

using rpc::json;
using rpc::test::method_fixture;

std::vector<nvmf::transport_kind> kinds() {
    return {rdma_transport_kind(), tcp_transport_kind({})};
}

struct transport_options_test : ::testing::Test {
    method_fixture w{1, 2, kinds()};

    transport_options_test() { w.start(); }

    json created(const char* params) {
        EXPECT_EQ(w.result("nvmf_create_transport", params), json(true));
        return w.result("nvmf_get_transports")[0];
    }
};

json value_of(const nvmf::own_option& o) {
    return std::visit([](auto value) { return json(value); }, o.value);
}

TEST_F(transport_options_test, have_their_defaults) {
    const json tcp = created(R"({"trtype": "TCP"})");
    EXPECT_EQ(tcp, rpc::test::parsed(R"({"trtype": "TCP", "max_queue_depth": 128, "max_io_qpairs_per_ctrlr": 127,
        "in_capsule_data_size": 4096, "max_io_size": 131072, "max_aq_depth": 128, "iobuf_small_cache_size": 512,
        "iobuf_large_cache_size": 128, "dif_insert_or_strip": false, "zcopy": false, "abort_timeout_sec": 1,
        "ack_timeout": 0, "disable_command_passthru": true, "kas": 100, "min_kato": 10000, "acceptor_backlog": 100,
        "c2h_success": true, "sock_priority": 0})"));
}

TEST_F(transport_options_test, are_taken_shown_and_saved) {
    const json tcp = created(R"({"trtype": "tcp", "acceptor_backlog": 7, "c2h_success": false, "sock_priority": 3})");
    EXPECT_EQ(tcp["acceptor_backlog"], 7);
    EXPECT_EQ(tcp["c2h_success"], false);
    EXPECT_EQ(tcp["sock_priority"], 3);
    const json saved = w.result("framework_get_config", R"({"name": "nvmf"})");
    method_fixture again(2, 2, kinds());
    again.start();
    for (const json& call : saved) {
        const std::string method = call["method"];
        if (method == "nvmf_create_transport") {
            EXPECT_EQ(call["params"], tcp);
            again.result(method, call["params"].dump().c_str());
        }
    }
    EXPECT_EQ(again.result("nvmf_get_transports")[0], tcp);
}

// As in SPDK's target: scripts send the same options whatever the transport is.
TEST_F(transport_options_test, of_another_transport_have_no_effect) {
    const json tcp = created(R"({"trtype": "TCP", "max_srq_depth": 4096, "num_cqe": 5, "no_srq": false,
                                 "ack_timeout": 9})");
    for (const char* name : {"max_srq_depth", "num_cqe", "no_srq", "no_wr_batching"})
        EXPECT_FALSE(tcp.contains(name)) << name;
}

struct row {
    const char* sentence;
    const char* params;
    const char* message;
};
const row refusals[] = {
    {"too few receives", R"({"trtype": "RDMA", "max_srq_depth": 31})",
     "max_srq_depth must be 32 at least, and there must be buffers"},
    {"a timeout beyond its field", R"({"trtype": "RDMA", "ack_timeout": 32})", "ack_timeout must be 31 at most"},
    {"a priority beyond the last", R"({"trtype": "TCP", "sock_priority": 17})", "sock_priority must be 16 at most"},
    {"no backlog over TCP", R"({"trtype": "TCP", "acceptor_backlog": 0})",
     "parameter 'acceptor_backlog' must be at least 1"},
    {"no backlog over RDMA", R"({"trtype": "RDMA", "acceptor_backlog": -1})",
     "parameter 'acceptor_backlog' must be at least 1"},
    {"another type", R"({"trtype": "TCP", "c2h_success": 1})", "parameter 'c2h_success' must be true or false"},
    {"a number that does not fit", R"({"trtype": "TCP", "sock_priority": 256})",
     "parameter 'sock_priority' must be a whole number from 0 to 255"},
    {"another type of an option of another transport", R"({"trtype": "TCP", "max_srq_depth": "many"})",
     "parameter 'max_srq_depth' must be a whole number from 0 to 4294967295"},
    {"receives that are not shared", R"({"trtype": "RDMA", "no_srq": true})",
     "parameter 'no_srq' must be false: receives are shared, with a guaranteed part for each queue pair"},
    {"single work requests", R"({"trtype": "RDMA", "no_wr_batching": true})",
     "parameter 'no_wr_batching' must be false: work requests go out together"},
};

TEST_F(transport_options_test, out_of_range_are_refused) {
    for (const row& r : refusals) {
        const rpc::answer a = w.call("nvmf_create_transport", r.params);
        ASSERT_FALSE(a) << r.sentence;
        EXPECT_EQ(a.error().code, rpc::error_code::parameters) << r.sentence;
        EXPECT_EQ(a.error().message, r.message) << r.sentence;
    }
}

/// The column "default" of the table of options in a README, by name. Its rows have five columns.
std::map<std::string, std::string> documented_defaults(const std::string& readme) {
    std::ifstream in(CAUSEWAY_SOURCE_DIR "/" + readme);
    EXPECT_TRUE(in) << readme;
    std::map<std::string, std::string> defaults;
    bool in_section = false;
    for (std::string line; std::getline(in, line);) {
        if (line.starts_with("## "))
            in_section = line == "## Options";
        if (!in_section || !line.starts_with("| `"))
            continue;
        std::vector<std::string> columns;
        std::istringstream cells(line.substr(2));
        for (std::string cell; std::getline(cells, cell, '|');)
            columns.push_back(cell);
        EXPECT_EQ(columns.size(), 5u) << readme << ": " << line;
        std::erase_if(columns[0], [](char c) { return c == '`' || c == ' '; });
        std::erase(columns[2], ' ');
        defaults[columns[0]] = columns[2];
    }
    return defaults;
}

TEST(transport_readme, explains_each_option_with_its_default) {
    const std::pair<nvmf::transport_kind, const char*> rows[] = {
        {rdma_transport_kind(), "transport/rdma/README.md"},
        {tcp_transport_kind({}), "transport/tcp/README.md"},
    };
    for (const auto& [kind, readme] : rows) {
        std::map<std::string, std::string> declared;
        for (const nvmf::own_option& o : kind.own)
            declared.emplace(o.name, value_of(o).dump());
        EXPECT_EQ(documented_defaults(readme), declared) << readme;
    }
}

TEST_F(transport_options_test, common_ones_are_in_the_readme_of_nvmf) {
    const json loop = created(R"({"trtype": "LOOP"})");
    const auto documented = documented_defaults("nvmf/README.md");
    EXPECT_EQ(documented.size(), 9u);
    for (const auto& [name, value] : documented)
        EXPECT_EQ(loop.value(name, json()).dump(), value) << name;
}

}  // namespace
}  // namespace causeway::gateway
