// SPDX-License-Identifier: Apache-2.0
// What a client is configured with, and whose settings win.

#include "bdev_rbd/testing/ceph_fixture.h"

#include <filesystem>
#include <fstream>
#include <rados/librados.h>
#include <unistd.h>

namespace causeway::bdev_rbd {
namespace {

class RbdClient : public testing::Test {
  protected:
    ~RbdClient() override { std::filesystem::remove(file_); }

    /// The cluster's configuration file with `more` in its section for clients.
    ceph::client_options with_file(const std::string& more) {
        std::ofstream(file_) << std::ifstream(ceph_conf()).rdbuf() << "\n[client]\n" << more << "\n";
        ceph::client_options o;
        o.config_file = file_;
        return o;
    }
    static std::string setting(const ceph::client_options& o, const char* key) {
        const auto connected = ceph::client::connect(o, {});
        if (!connected)
            return connected.error().text();
        std::array<char, 64> value{};
        rados_conf_get((*connected)->handle(), key, value.data(), value.size());
        return value.data();
    }

  private:
    const std::string file_ = testing::TempDir() + "causeway_client_" + std::to_string(::getpid()) + ".conf";
};

constexpr const char* a_default = "objecter_inflight_ops";
const std::string ours = "0", stock = "1024";

TEST_F(RbdClient, our_defaults_hold_where_nobody_says_otherwise) {
    EXPECT_EQ(setting(with_file(""), a_default), ours);
    EXPECT_EQ(setting(with_file(""), "rados_osd_op_timeout"), "25") << "hung I/O ends by itself";
    EXPECT_EQ(setting(with_file("rados_osd_op_timeout = 0"), "rados_osd_op_timeout"), "0");
    EXPECT_EQ(setting(with_file(""), "objecter_inflight_op_bytes"), "0") << "submitting never blocks a reactor";
}

TEST_F(RbdClient, the_configuration_file_wins_over_our_defaults) {
    EXPECT_EQ(setting(with_file("objecter_inflight_ops = 2000"), a_default), "2000");
    EXPECT_EQ(setting(with_file("objecter_inflight_ops = " + stock), a_default), stock) << "Ceph's own default, too";
}

TEST_F(RbdClient, the_monitors_database_wins_over_our_defaults_and_the_file_over_it) {
    tool("ceph config set client objecter_inflight_ops 3000");
    EXPECT_EQ(setting(with_file(""), a_default), "3000");
    EXPECT_EQ(setting(with_file("objecter_inflight_ops = 2000"), a_default), "2000");
    tool("ceph config rm client objecter_inflight_ops");
}

TEST_F(RbdClient, config_param_wins_over_the_file) {
    auto o = with_file("objecter_inflight_ops = 2000");
    o.config_param[a_default] = "4000";
    EXPECT_EQ(setting(o, a_default), "4000");
}

TEST_F(RbdClient, the_file_turns_no_write_cache_on) {
    auto o = with_file("rbd_cache = true");
    EXPECT_EQ(setting(o, "rbd_cache"), "false");
    o.config_param["rbd_cache"] = "true";
    EXPECT_EQ(setting(o, "rbd_cache"), "true");
}

}  // namespace
}  // namespace causeway::bdev_rbd
