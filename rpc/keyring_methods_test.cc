// SPDX-License-Identifier: Apache-2.0
#include "rpc/testing/rpc_fixture.h"

#include <filesystem>
#include <fstream>

namespace causeway::rpc::test {
namespace {

class keyring_methods : public testing::Test {
  protected:
    keyring_methods() {
        std::string name = std::filesystem::temp_directory_path() / "causeway-keyring-XXXXXX";
        path_ = std::string(::mkdtemp(name.data())) + "/key";
        std::ofstream(path_) << "NVMeTLSkey-1:00:what operators know:\n";
        std::filesystem::permissions(path_, std::filesystem::perms(0600));
        w.furnish();
    }
    ~keyring_methods() override { std::filesystem::remove_all(std::filesystem::path(path_).parent_path()); }

    json add_params(const char* name) const { return {{"name", name}, {"path", path_}}; }
    json listed(const char* name, bool removed, int uses) const {
        return {{"name", name},   {"module", "keyring_file"}, {"removed", removed},
                {"probed", true}, {"refcnt", uses},           {"path", path_}};
    }
    void add_host() {
        EXPECT_EQ(w.result("nvmf_subsystem_add_host",
                           R"({"nqn": "nqn.2024-01.io.example:a", "host": "nqn.2024-01.io.example:h", "psk": "k"})"),
                  json(true));
    }

    method_fixture w;
    std::string path_;
};

TEST_F(keyring_methods, keys_come_and_go) {
    EXPECT_EQ(w.result("keyring_get_keys"), json::array());
    EXPECT_EQ(w.call("keyring_file_add_key", add_params("k")), json(true));
    EXPECT_EQ(w.result("keyring_get_keys"), json::array({listed("k", false, 1)}));
    EXPECT_EQ(w.result("keyring_file_remove_key", R"({"name": "k"})"), json(true));
    EXPECT_EQ(w.result("keyring_get_keys"), json::array());
}

TEST_F(keyring_methods, what_cannot_be_is_refused) {
    EXPECT_TRUE(w.call("keyring_file_add_key", add_params("k")));
    const auto refused = [this](const char* method, const json& params) {
        const answer a = w.call(method, params);
        return a ? 0 : a.error().code;
    };
    EXPECT_EQ(refused("keyring_file_add_key", add_params("k")), -32602) << "there is one";
    EXPECT_EQ(refused("keyring_file_add_key", {{"name", "other"}, {"path", "/no/such"}}), -32602);
    EXPECT_EQ(refused("keyring_file_remove_key", {{"name", "other"}}), -32602);
    EXPECT_EQ(refused("nvmf_subsystem_add_host",
                      {{"nqn", "nqn.2024-01.io.example:a"}, {"host", "nqn.2024-01.io.example:h"}, {"psk", "other"}}),
              -32602);
    std::filesystem::permissions(path_, std::filesystem::perms(0644));
    EXPECT_EQ(refused("keyring_file_add_key", add_params("other")), -32602) << "anybody can read it";
}

TEST_F(keyring_methods, a_host_shows_the_name_of_its_key) {
    EXPECT_TRUE(w.call("keyring_file_add_key", add_params("k")));
    add_host();
    EXPECT_EQ(w.result("nvmf_get_subsystems")[1]["hosts"],
              parsed(R"([{"nqn": "nqn.2024-01.io.example:h", "psk": "k"}])"));
    EXPECT_EQ(w.result("keyring_get_keys"), json::array({listed("k", false, 2)}));
    EXPECT_EQ(w.result("keyring_file_remove_key", R"({"name": "k"})"), json(true));
    EXPECT_EQ(w.result("keyring_get_keys"), json::array({listed("k", true, 1)}));
    w.result("nvmf_subsystem_remove_host",
             R"({"nqn": "nqn.2024-01.io.example:a", "host": "nqn.2024-01.io.example:h"})");
    EXPECT_EQ(w.result("keyring_get_keys"), json::array());
}

TEST_F(keyring_methods, keys_are_saved_by_name_before_those_who_use_them) {
    EXPECT_TRUE(w.call("keyring_file_add_key", add_params("k")));
    add_host();
    const json keys = w.result("framework_get_config", R"({"name": "keyring"})");
    const json hosts = w.result("framework_get_config", R"({"name": "nvmf"})");
    EXPECT_EQ(keys, json::array({{{"method", "keyring_file_add_key"}, {"params", add_params("k")}}}));
    EXPECT_EQ((keys.dump() + hosts.dump()).find("NVMeTLSkey"), std::string::npos);

    method_fixture again(2);
    again.furnish();
    for (const json& call : keys)
        EXPECT_TRUE(again.call(call["method"], call["params"]));
    for (const json& call : hosts)
        if (call["method"] == "nvmf_subsystem_add_host") {
            EXPECT_TRUE(again.call(call["method"], call["params"])) << call;
        }
    EXPECT_EQ(again.result("nvmf_get_subsystems")[1]["hosts"], w.result("nvmf_get_subsystems")[1]["hosts"]);
}

TEST_F(keyring_methods, a_key_that_is_removed_while_hosts_use_it_is_saved_with_them) {
    EXPECT_TRUE(w.call("keyring_file_add_key", add_params("k")));
    add_host();
    EXPECT_TRUE(w.call("keyring_file_remove_key", {{"name", "k"}}));
    EXPECT_TRUE(w.call("keyring_file_add_key", add_params("k"))) << "another one of the same name";
    const json keys = w.result("framework_get_config", R"({"name": "keyring"})");
    const json hosts = w.result("framework_get_config", R"({"name": "nvmf"})");

    method_fixture again(2);
    again.start();
    again.add_memory("Malloc0");
    for (const json& calls : {keys, hosts})
        for (const json& call : calls)
            EXPECT_TRUE(again.call(call["method"], call["params"])) << call;
    EXPECT_EQ(again.result("nvmf_get_subsystems")[1]["hosts"],
              parsed(R"([{"nqn": "nqn.2024-01.io.example:h", "psk": "k-removed"}])"));
    EXPECT_EQ(again.result("keyring_get_keys"), json::array({listed("k", false, 1), listed("k-removed", true, 1)}));
}

}  // namespace
}  // namespace causeway::rpc::test
