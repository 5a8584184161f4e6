// SPDX-License-Identifier: Apache-2.0
#include "tools/doctor.h"

#include <filesystem>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <map>

namespace causeway::tools {
namespace {

using ::testing::HasSubstr;
using enum finding::state;

using files_of = std::map<std::string, std::string>;

/// A machine whose files and programs are these.
class fake_machine : public machine {
  public:
    explicit fake_machine(const std::map<std::string, std::string>& files,
                          const std::map<std::string, std::string>& programs = {})
        : fake_machine(new_folder(), files, programs) {}
    ~fake_machine() { std::filesystem::remove_all(folder_); }
    fake_machine(const fake_machine&) = delete;
    fake_machine& operator=(const fake_machine&) = delete;

  private:
    fake_machine(std::string folder, const std::map<std::string, std::string>& files,
                 const std::map<std::string, std::string>& programs)
        : machine(folder), folder_(std::move(folder)) {
        for (const auto& [path, text] : files) {
            std::filesystem::create_directories(std::filesystem::path(folder_ + path).parent_path());
            std::ofstream(folder_ + path) << text;
        }
        run = [programs](const std::vector<std::string>& words) -> std::optional<std::string> {
            const auto found = programs.find(words[0]);
            return found == programs.end() ? std::nullopt : std::optional(found->second);
        };
    }
    static std::string new_folder() {
        std::string name = ::testing::TempDir() + "doctorXXXXXX";
        return ::mkdtemp(name.data());
    }

    const std::string folder_;
};

/// The first finding of that check.
finding find(const findings& all, const std::string& check) {
    for (const finding& f : all)
        if (f.check == check)
            return f;
    ADD_FAILURE() << "nothing about " << check;
    return {};
}

TEST(doctor, huge_pages) {
    const fake_machine good(
        files_of{{"/proc/meminfo", "HugePages_Total:  512\nHugePages_Free:  500\nHugepagesize:  2048 kB\n"}});
    EXPECT_EQ(check_huge_pages(good).is, ok);
    EXPECT_EQ(check_huge_pages(good).sentence, "500 of 512 are free, 2048 KiB each");
    EXPECT_THAT(check_huge_pages(fake_machine(files_of{{"/proc/meminfo", "HugePages_Total:   0\n"}})).sentence,
                HasSubstr("there are none"));
    EXPECT_EQ(check_huge_pages(fake_machine(files_of{{"/proc/meminfo", "HugePages_Total: 4\nHugePages_Free: 0\n"}})).is,
              warn);
}

TEST(doctor, iommu) {
    EXPECT_EQ(
        check_iommu(fake_machine(files_of{{"/sys/kernel/iommu_groups/0/type", "DMA"}, {"/sys/module/vfio_pci/x", ""}}))
            .is,
        ok);
    EXPECT_THAT(check_iommu(fake_machine(files_of{{"/sys/kernel/iommu_groups/0/type", "DMA"}})).cure,
                HasSubstr("modprobe vfio-pci"));
    EXPECT_THAT(check_iommu(fake_machine(files_of{})).cure, HasSubstr("intel_iommu=on"));
}

TEST(doctor, memlock) {
    const auto limit = [](const std::string& soft) {
        return fake_machine(files_of{{"/proc/self/limits", "Limit  Soft Limit\nMax locked memory         " + soft +
                                                               "    unlimited    bytes\n"}});
    };
    EXPECT_EQ(check_memlock(limit("unlimited")).is, ok);
    EXPECT_EQ(check_memlock(limit("8388608")).is, warn);
    EXPECT_EQ(check_memlock(fake_machine(files_of{})).is, skip);
}

TEST(doctor, rdma) {
    const std::string port = "/sys/class/infiniband/mlx5_0/ports/1/";
    std::map<std::string, std::string> files = {
        {port + "state", "4: ACTIVE\n"},
        {port + "link_layer", "Ethernet\n"},
        {port + "gids/0", "fe80:0000:0000:0000:0000:0000:0000:0001\n"},
        {port + "gid_attrs/types/0", "RoCE v2\n"},
        {port + "gids/1", "0000:0000:0000:0000:0000:ffff:c000:020a\n"},
        {port + "gid_attrs/types/1", "RoCE v2\n"},
        {port + "gid_attrs/ndevs/1", "eth2\n"},
        {port + "gids/2", "0000:0000:0000:0000:0000:0000:0000:0000\n"},
        {"/sys/class/net/eth2/mtu", "9000\n"},
    };
    const auto is = [&] { return find(check_rdma(fake_machine(files)), "RDMA mlx5_0/1").is; };
    EXPECT_EQ(is(), ok);
    EXPECT_THAT(find(check_rdma(fake_machine(files)), "RDMA PFC").cure, HasSubstr("PFC"));
    files["/sys/class/net/eth2/mtu"] = "1500\n";
    EXPECT_EQ(is(), warn) << "a small MTU";
    files[port + "gid_attrs/types/1"] = "IB/RoCE v1\n";
    EXPECT_EQ(is(), fail) << "no RoCEv2 GID of an address";
    files[port + "link_layer"] = "InfiniBand\n";
    EXPECT_EQ(is(), ok);
    files[port + "state"] = "1: DOWN\n";
    EXPECT_EQ(is(), fail);
    const std::string second = "/sys/class/infiniband/mlx5_1/ports/1/";
    files[second + "state"] = "4: ACTIVE\n";
    files[second + "link_layer"] = "InfiniBand\n";
    EXPECT_EQ(is(), warn) << "another port serves";
    EXPECT_EQ(find(check_rdma(fake_machine(files_of{})), "RDMA").is, warn);
}

TEST(doctor, ports_and_packet_filters) {
    const std::string heading = "  sl  local_address rem_address   st tx_queue\n";
    const std::string table =
        heading + "   0: 0100007F:1144 00000000:0000 0A 00000000\n   1: 0100007F:1F49 0100007F:9999 01 0\n";
    const auto check = [&](const std::map<std::string, std::string>& programs) {
        return check_ports(fake_machine(files_of{{"/proc/net/tcp", table}, {"/proc/net/tcp6", heading}}, programs));
    };
    EXPECT_EQ(find(check({}), "port 4420").is, ok);
    EXPECT_EQ(find(check({}), "port 8009").is, skip) << "a connection is no listener";
    EXPECT_EQ(find(check({}), "firewall").is, skip);
    const std::string drops = "table inet filter {\n chain input {\n type filter hook input priority 0; policy drop;\n";
    EXPECT_EQ(find(check({{"nft", drops + "tcp dport 22 accept\n}}"}}), "firewall").is, warn);
    EXPECT_EQ(find(check({{"nft", drops + "tcp dport { 22, 4420 } accept\n}}"}}), "firewall").is, ok);
    EXPECT_EQ(find(check({{"nft", drops + "tcp dport { 8009, 44200 } accept\n}}"}}), "firewall").is, warn)
        << "44200 is another port";
    EXPECT_EQ(find(check({{"nft", drops + "tcp dport 22 counter packets 4420 bytes 9 accept\n}}"}}), "firewall").is,
              warn)
        << "a counter is no port";
    EXPECT_EQ(find(check({{"nft", drops + "tcp dport 4000-5000 accept\n}}"}}), "firewall").is, ok) << "a range";
    const std::string of_docker =
        "table ip filter {\n chain INPUT {\n type filter hook input priority 0; policy accept;\n"
        " }\n chain FORWARD {\n type filter hook forward priority 0; policy drop;\n }\n}\n";
    EXPECT_EQ(find(check({{"nft", of_docker}}), "firewall").is, ok) << "what is forwarded is for others";
    EXPECT_EQ(find(check({{"nft", of_docker}, {"iptables", "-P INPUT DROP\n"}}), "firewall").is, ok)
        << "nft tells of iptables' rules, too";
    EXPECT_EQ(find(check({{"iptables", "-P INPUT DROP\n-N ours\n-A INPUT -j ours\n"
                                       "-A ours -p tcp -m multiport --dports 22,4420 -j ACCEPT\n"}}),
                   "firewall")
                  .is,
              ok)
        << "another chain accepts it";
    EXPECT_EQ(find(check({{"nft", ""}, {"iptables", "-P INPUT ACCEPT\n"}}), "firewall").is, ok);
    EXPECT_EQ(find(check({{"iptables", "-P INPUT DROP\n-A INPUT -p tcp --dport 22 -j ACCEPT\n"}}), "firewall").is,
              warn);
}

TEST(doctor, time) {
    fake_machine m(files_of{});
    EXPECT_EQ(check_time(m).is, skip);
    m.clock_is_synchronised = [] { return std::optional(true); };
    EXPECT_EQ(check_time(m).is, ok);
    m.clock_is_synchronised = [] { return std::optional(false); };
    EXPECT_EQ(check_time(m).is, warn);
}

TEST(doctor, versions) {
    const auto good =
        check_versions(fake_machine(files_of{{"/proc/sys/kernel/osrelease", "6.1.0-13-amd64\n"}},
                                    {{"ceph", "ceph version 16.2.15\n"}, {"nvme", "nvme version 2.4\nmore"}}));
    EXPECT_EQ(find(good, "kernel").is, ok);
    EXPECT_EQ(find(good, "ceph").sentence, "ceph version 16.2.15");
    EXPECT_EQ(find(good, "nvme-cli").sentence, "nvme version 2.4");
    const auto bad = check_versions(fake_machine(files_of{{"/proc/sys/kernel/osrelease", "5.4.0\n"}}));
    EXPECT_EQ(find(bad, "kernel").is, warn);
    EXPECT_EQ(find(bad, "nvme-cli").is, skip);
}

TEST(doctor, host) {
    const std::string uuid = "4c4c4544-0035-5910-804a-b5c04f444d33";
    std::map<std::string, std::string> files = {
        {"/sys/module/nvme_fabrics/x", ""}, {"/sys/module/nvme_tcp/x", ""},
        {"/sys/module/nvme_rdma/x", ""},    {"/etc/nvme/hostnqn", "nqn.2014-08.org.nvmexpress:uuid:" + uuid + "\n"},
        {"/etc/nvme/hostid", uuid + "\n"},  {"/sys/module/nvme_core/parameters/multipath", "Y\n"}};
    for (const finding& f : check_host(fake_machine(files)))
        EXPECT_EQ(f.is, ok) << f.check << ": " << f.sentence;
    files.erase("/sys/module/nvme_rdma/x");
    files["/etc/nvme/hostid"] = "00000000-0035-5910-804a-b5c04f444d33\n";  // kernels do not compare it
    files["/sys/module/nvme_core/parameters/multipath"] = "N\n";
    const auto bad = check_host(fake_machine(files));
    EXPECT_EQ(find(bad, "host modules").sentence, "not loaded: nvme_rdma");
    EXPECT_EQ(find(bad, "host identity").is, ok);
    EXPECT_EQ(find(bad, "host multipath").is, fail);
    EXPECT_EQ(find(check_host(fake_machine(files_of{})), "host identity").is, fail);
    EXPECT_EQ(find(check_host(fake_machine(files_of{})), "host multipath").is, skip);
}

// ---- A Ceph cluster.

ceph::probe_options probe() {
    ceph::probe_options o;
    o.client.user_id = "causeway";
    o.pool = "rbd";
    o.image = "vm";
    return o;
}

/// What a cluster answers if all is well.
ceph::cluster_report answers() {
    ceph::cluster_report r;
    r.in_time = true;
    r.fsid = core::result<std::string>("f");
    r.caps = core::result<std::string>(R"([{"caps": {"mon": "profile rbd", "osd": "profile rbd pool=rbd"}}])");
    r.osd_dump = core::result<std::string>(R"({"flags": "sortbitwise", "pools": [{"pool_name": "rbd",
        "flags_names": "hashpspool", "application_metadata": {"rbd": {}}}]})");
    r.pool = r.readable = r.writable = core::result<>();
    r.image_features = core::result<std::uint64_t>(61);
    return r;
}

finding about(const ceph::cluster_report& r, const std::string& check) {
    return find(judge_cluster(r, probe()), check);
}

TEST(doctor, a_cluster_that_is_well) {
    const auto all = judge_cluster(answers(), probe());
    EXPECT_EQ(all.size(), 6u);
    for (const finding& f : all)
        EXPECT_EQ(f.is, ok) << f.check << ": " << f.sentence;
}

TEST(doctor, a_cluster_that_cannot_be_reached) {
    ceph::cluster_report r;
    EXPECT_EQ(about(r, "ceph").is, fail);
    EXPECT_THAT(about(r, "ceph").sentence, HasSubstr("while connecting"));
    r.fsid = core::result<std::string>(core::fail(ENOENT, "no keyring"));
    EXPECT_THAT(about(r, "ceph").cure, HasSubstr("ceph auth get-or-create client.causeway"));
    r.fsid = core::result<std::string>(core::fail(EACCES, "bad key"));
    EXPECT_THAT(about(r, "ceph").cure, HasSubstr("compare the keyring"));
}

TEST(doctor, capabilities) {
    auto r = answers();
    r.caps = core::result<std::string>(R"([{"caps": {"mon": "allow r", "osd": "allow rwx pool=rbd"}}])");
    EXPECT_EQ(about(r, "Ceph capabilities").is, fail);
    r.caps = core::result<std::string>(R"([{"caps": {"mon": "profile rbd", "osd": "allow r"}}])");
    EXPECT_EQ(about(r, "Ceph capabilities").is, fail);
    r.caps = core::result<std::string>(core::fail_errno(EACCES));
    EXPECT_EQ(about(r, "Ceph capabilities").is, skip);
    r.writable = core::result<>(core::fail_errno(EPERM));
    EXPECT_THAT(about(r, "Ceph writes").cure, HasSubstr("ceph auth caps client.causeway"));
    r.readable = core::result<>(core::fail_errno(ETIMEDOUT));
    EXPECT_THAT(about(r, "Ceph reads").cure, HasSubstr("ceph health detail"));
}

TEST(doctor, pools_that_are_not_there_or_full) {
    auto r = answers();
    r.pool = core::result<>(core::fail_errno(ENOENT));
    EXPECT_EQ(about(r, "Ceph pool").is, fail);
    r = answers();
    const auto dump = [&](const std::string& flags, const std::string& of_pool, const std::string& application) {
        r.osd_dump = core::result<std::string>(R"({"flags": ")" + flags +
                                               R"(", "pools": [{"pool_name": "rbd", "flags_names": ")" + of_pool +
                                               R"(", "application_metadata": {)" + application + "}}]}");
    };
    dump("sortbitwise", "hashpspool,full_quota", R"("rbd": {})");
    EXPECT_EQ(about(r, "Ceph space").is, fail);
    dump("pausewr", "", R"("rbd": {})");
    EXPECT_EQ(about(r, "Ceph space").is, fail);
    dump("nearfull", "", R"("rbd": {})");
    EXPECT_EQ(about(r, "Ceph space").is, warn);
    dump("", "", "");
    EXPECT_THAT(about(r, "Ceph pool").cure, HasSubstr("rbd pool init"));
}

TEST(doctor, features_of_an_image) {
    auto r = answers();
    r.image_features = core::result<std::uint64_t>(1);
    EXPECT_THAT(about(r, "RBD image").cure, HasSubstr("exclusive-lock"));
    r.image_features = core::result<std::uint64_t>(61 + 64);
    EXPECT_THAT(about(r, "RBD image").sentence, HasSubstr("journaling"));
    r.image_features = core::result<std::uint64_t>(61 + 512);
    EXPECT_EQ(about(r, "RBD image").is, fail);
    r.image_features = core::result<std::uint64_t>(core::fail(ENOENT, "no such image"));
    EXPECT_EQ(about(r, "RBD image").is, fail);
}

TEST(doctor, a_cluster_that_stops_answering) {
    auto r = answers();
    r.in_time = false;
    r.step = "writing to the pool";
    r.writable.reset();
    EXPECT_THAT(about(r, "Ceph answers").sentence, HasSubstr("while writing to the pool"));
    EXPECT_EQ(about(r, "Ceph answers").is, fail);
    r = answers();
    r.in_time = false;
    r.step = ceph::closing_step;
    EXPECT_EQ(about(r, "Ceph answers").is, warn) << "all has been answered";
}

TEST(doctor, prints_a_table_with_cures_and_fails_only_if_a_check_did) {
    const findings all = {{"a", ok, "well", ""}, {"b", warn, "slow", "hurry"}, {"c", skip, "unknown", "ask"}};
    EXPECT_EQ(exit_status_of(all), 0);
    EXPECT_THAT(to_text(all), HasSubstr("warn b: slow.\n    hurry\n"));
    EXPECT_THAT(to_text(all), ::testing::Not(HasSubstr("ask")));
    EXPECT_EQ(exit_status_of({{"d", fail, "broken", "mend"}}), 1);
    EXPECT_EQ(to_json(all)["checks"][2]["cure"], "ask");
}

}  // namespace
}  // namespace causeway::tools
