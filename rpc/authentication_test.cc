// SPDX-License-Identifier: Apache-2.0
// What operators say about in-band authentication: keys of hosts, and the algorithms.

#include "rpc/testing/rpc_fixture.h"

#include <filesystem>
#include <fstream>

namespace causeway::rpc::test {
namespace {

constexpr const char* subsystem = "nqn.2024-01.io.example:a";
constexpr const char* host = "nqn.2024-01.io.example:h";

class authentication_methods : public testing::Test {
  protected:
    authentication_methods() {
        std::string name = std::filesystem::temp_directory_path() / "causeway-dhchap-XXXXXX";
        directory_ = ::mkdtemp(name.data());
        write("host", "DHHC-1:01:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh+KfiaR:");
        write("ctrlr", "DHHC-1:00:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vcSEgBQ==:");
        write("tls", "NVMeTLSkey-1:01:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh+KfiaR:");
    }
    ~authentication_methods() override { std::filesystem::remove_all(directory_); }

    void write(const std::string& name, const char* text) {
        std::ofstream(directory_ / name) << text << '\n';
        std::filesystem::permissions(directory_ / name, std::filesystem::perms(0600));
    }
    void furnish() {
        w.furnish();
        for (const char* name : {"host", "ctrlr", "tls"})
            EXPECT_TRUE(w.call("keyring_file_add_key", {{"name", name}, {"path", directory_ / name}}));
    }
    static json params(json more = json::object()) {
        more["nqn"] = subsystem;
        more["host"] = host;
        return more;
    }
    json hosts(method_fixture& of) { return of.result("nvmf_get_subsystems")[1]["hosts"]; }
    std::string refused(const char* method, const json& p) {
        const answer a = w.call(method, p);
        if (a)
            return "it was not refused";
        EXPECT_EQ(a.error().code, -32602);
        return a.error().message;
    }

    method_fixture w;
    std::filesystem::path directory_;
};

TEST_F(authentication_methods, a_host_shows_the_names_of_its_keys) {
    furnish();
    EXPECT_TRUE(w.call("nvmf_subsystem_add_host", params({{"dhchap_key", "host"}, {"dhchap_ctrlr_key", "ctrlr"}})));
    EXPECT_EQ(hosts(w), json::array({{{"nqn", host}, {"dhchap_key", "host"}, {"dhchap_ctrlr_key", "ctrlr"}}}));
    EXPECT_TRUE(w.call("nvmf_subsystem_set_keys", params({{"dhchap_key", "ctrlr"}})));
    EXPECT_EQ(hosts(w), json::array({{{"nqn", host}, {"dhchap_key", "ctrlr"}}})) << "what is left out is no more";
    EXPECT_TRUE(w.call("nvmf_subsystem_set_keys", params()));
    EXPECT_EQ(hosts(w), json::array({{{"nqn", host}}}));
}

TEST_F(authentication_methods, keys_that_cannot_be_are_refused_and_not_quoted) {
    furnish();
    EXPECT_EQ(refused("nvmf_subsystem_add_host", params({{"dhchap_key", "nothing"}})), "no such key: nothing");
    EXPECT_EQ(refused("nvmf_subsystem_add_host", params({{"dhchap_key", "tls"}})), "tls: a key begins with DHHC-1:");
    EXPECT_EQ(refused("nvmf_subsystem_add_host", params({{"dhchap_ctrlr_key", "ctrlr"}})),
              "ctrlr: a controller key needs a host key: give the host a dhchap_key too");
    EXPECT_EQ(hosts(w), json::array());
    EXPECT_TRUE(w.call("nvmf_subsystem_add_host", params({{"dhchap_key", "host"}})));
    EXPECT_EQ(refused("nvmf_subsystem_set_keys", params({{"dhchap_key", "host"}, {"dhchap_ctrlr_key", "nothing"}})),
              "no such key: nothing");
    EXPECT_EQ(refused("nvmf_subsystem_set_keys", params({{"dhchap_ctrlr_key", "ctrlr"}})),
              "ctrlr: a controller key needs a host key: give the host a dhchap_key too");
    EXPECT_EQ(hosts(w), json::array({{{"nqn", host}, {"dhchap_key", "host"}}})) << "it has what it had";
}

TEST_F(authentication_methods, keys_and_algorithms_are_saved_by_name) {
    EXPECT_EQ(w.call("nvmf_set_config", {{"dhchap_digests", {"sha384", "sha512"}}, {"dhchap_dhgroups", {"ffdhe2048"}}}),
              json(true));
    furnish();
    EXPECT_TRUE(w.call("nvmf_subsystem_add_host",
                       params({{"psk", "tls"}, {"dhchap_key", "host"}, {"dhchap_ctrlr_key", "ctrlr"}})));
    EXPECT_TRUE(w.call("keyring_file_remove_key", {{"name", "ctrlr"}})) << "it is in use, and saved all the same";
    const json keys = w.result("framework_get_config", R"({"name": "keyring"})");
    const json nvmf = w.result("framework_get_config", R"({"name": "nvmf"})");
    EXPECT_EQ((keys.dump() + nvmf.dump()).find("DHHC-1"), std::string::npos);

    method_fixture again(2);
    EXPECT_EQ(nvmf[0]["method"], "nvmf_set_config");
    EXPECT_TRUE(again.call(nvmf[0]["method"], nvmf[0]["params"]));
    again.start();
    again.add_memory("Malloc0");
    for (const json& calls : {keys, nvmf})
        for (const json& call : calls) {
            if (call["method"] != "nvmf_set_config") {
                EXPECT_TRUE(again.call(call["method"], call["params"])) << call;
            }
        }
    EXPECT_EQ(hosts(again), hosts(w));
    EXPECT_EQ(again.result("framework_get_config", R"({"name": "nvmf"})"), nvmf);
}

TEST_F(authentication_methods, algorithms_that_cannot_be_are_refused) {
    EXPECT_EQ(refused("nvmf_set_config", {{"dhchap_digests", {"sha1"}}}),
              "parameter 'dhchap_digests' does not know 'sha1'");
    EXPECT_EQ(refused("nvmf_set_config", {{"dhchap_dhgroups", {"null", "ffdhe1024"}}}),
              "parameter 'dhchap_dhgroups' does not know 'ffdhe1024'");
    EXPECT_EQ(refused("nvmf_set_config", {{"dhchap_digests", json::array()}}),
              "parameter 'dhchap_digests' must name at least one: no host could authenticate");
    EXPECT_EQ(refused("nvmf_set_config", {{"dhchap_dhgroups", "null"}}),
              "parameter 'dhchap_dhgroups' must be an array");
}

}  // namespace
}  // namespace causeway::rpc::test
