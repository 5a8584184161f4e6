// SPDX-License-Identifier: Apache-2.0
// What a cluster or another client may do to an image under a running gateway, and what hosts are told then.

#include "bdev_rbd/testing/ceph_fixture.h"

#include <filesystem>
#include <rados/librados.h>
#include <rbd/librbd.h>

namespace causeway::bdev_rbd {
namespace {

using bdev::op;
namespace sc = nvme::sc;

constexpr std::uint64_t object_blocks = (4 << 20) / 512;

class RbdConditions : public CephTest {};

/// The cluster counts as full while this lives: the ratios at which an OSD calls itself full are next to nothing.
class full_cluster {
  public:
    full_cluster() {
        set_ratios("0.000001", "0.0000011", "0.0000012");
        EXPECT_TRUE(eventually([] { return pool_is_full(); }));
    }
    ~full_cluster() {
        tool("ceph osd set-full-ratio 0.95");
        tool("ceph osd set-backfillfull-ratio 0.9");
        tool("ceph osd set-nearfull-ratio 0.85");
        EXPECT_TRUE(eventually([] { return !pool_is_full(); }));
    }
    full_cluster(const full_cluster&) = delete;

  private:
    static void set_ratios(const std::string& near, const std::string& backfill, const std::string& full) {
        tool("ceph osd set-nearfull-ratio " + near);
        tool("ceph osd set-backfillfull-ratio " + backfill);
        tool("ceph osd set-full-ratio " + full);
    }
    static bool pool_is_full() { return tool("ceph osd pool ls detail").find(",full,") != std::string::npos; }
};

TEST_F(RbdConditions, a_full_pool_fails_what_needs_space_and_lets_hosts_make_room) {
    test_image image("full", "64M");
    const auto d = open(image);
    ASSERT_TRUE(d);
    const bytes first = pattern(64 << 10, 1), second = pattern(64 << 10, 2);
    ASSERT_EQ(write(*d, core(0), 0, first), sc::success);
    ASSERT_EQ(write(*d, core(1), object_blocks, first), sc::success);

    full_cluster full;
    nvme::status s{};
    std::uint64_t object = 1;
    ASSERT_TRUE(eventually([&] { return !(s = write(*d, core(0), ++object * object_blocks, first)).ok(); }));
    EXPECT_EQ(s, sc::capacity_exceeded.with_dnr()) << nvme::to_string(s);
    EXPECT_EQ(write(*d, core(1), 0, second), sc::success) << "an overwrite needs no space";
    bytes back(second.size());
    EXPECT_EQ(read(*d, core(0), 0, back), sc::success);
    EXPECT_EQ(back, second);
    EXPECT_EQ(io(*d, core(0), {op::unmap, object_blocks, object_blocks}), sc::success) << "hosts can make room";
    EXPECT_EQ(read(*d, core(0), object_blocks, back), sc::success);
    EXPECT_EQ(back, bytes(back.size()));
}

/// A client of somebody else's, with an image open.
class other_client {
  public:
    explicit other_client(const std::string& image) {
        EXPECT_EQ(rados_create(&rados_, "admin"), 0);
        EXPECT_EQ(rados_conf_read_file(rados_, ceph_conf().c_str()), 0);
        EXPECT_EQ(rados_connect(rados_), 0);
        EXPECT_EQ(rados_ioctx_create(rados_, "rbd", &io_), 0);
        EXPECT_EQ(rbd_open(io_, image.c_str(), &image_, nullptr), 0);
    }
    ~other_client() {
        rbd_close(image_);
        rados_ioctx_destroy(io_);
        rados_shutdown(rados_);
    }
    other_client(const other_client&) = delete;
    rbd_image_t image() const { return image_; }

  private:
    rados_t rados_ = nullptr;
    rados_ioctx_t io_ = nullptr;
    rbd_image_t image_ = nullptr;
};

TEST_F(RbdConditions, a_lock_that_another_client_keeps_is_no_write_protection) {
    test_image image("locked", "8M");
    const auto d = open(image);
    ASSERT_TRUE(d);
    const bytes data = pattern(4096, 1);
    {
        other_client other(image.name());
        ASSERT_EQ(rbd_lock_acquire(other.image(), RBD_LOCK_MODE_EXCLUSIVE), 0);
        EXPECT_EQ(write(*d, core(0), 0, data), sc::internal_path_error);
        EXPECT_FALSE(d->capabilities().read_only);
        bytes back(4096);
        EXPECT_EQ(read(*d, core(1), 0, back), sc::success);
    }
    EXPECT_EQ(write(*d, core(0), 0, data), sc::success) << "it has passed";
}

class RbdRemoval : public RbdConditions {
  protected:
    /// Opens the image read-only, as a user whose capabilities in the OSDs are `osd`.
    std::shared_ptr<rbd_device> open_read_only(const test_image& image, const std::string& user,
                                               const std::string& osd) {
        const std::string key = std::filesystem::temp_directory_path() / ("conditions." + user + ".keyring");
        tool("ceph auth get-or-create client." + user + " mon 'profile rbd' osd '" + osd + "' -o " + key);
        auto o = options();
        o.user_id = user;
        o.key_file = key;
        EXPECT_TRUE(run(clusters_.add(user, o)));
        std::filesystem::remove(key);
        auto p = params(image);
        p.cluster_name = user;
        p.image.read_only = true;
        return open(p);
    }
    static bytes with_data(const test_image& image, const bytes& data) {
        other_client writer(image.name());
        EXPECT_EQ(rbd_write(writer.image(), 0, data.size(), reinterpret_cast<const char*>(data.data())),
                  static_cast<ssize_t>(data.size()));
        return data;
    }
    static void refused(const std::string& command_line) { tool("sh -c '! " + command_line + "'"); }
};

TEST_F(RbdRemoval, nobody_removes_an_image_that_is_open_read_only) {
    test_image image("watched", "8M");
    const bytes data = with_data(image, pattern(4096, 1));
    const auto d = open_read_only(image, "reader", "profile rbd");
    ASSERT_TRUE(d);
    refused("rbd rm --no-progress rbd/watched");
    tool("rbd trash mv rbd/watched");
    refused("rbd trash rm --no-progress " + d->info().id);
    bytes back(4096);
    EXPECT_EQ(read(*d, core(1), 0, back), sc::success);
    EXPECT_EQ(back, data);
    tool("rbd trash restore " + d->info().id);
}

TEST_F(RbdRemoval, a_removed_image_never_reads_as_zeroes_where_the_user_may_not_watch) {
    test_image image("removed", "8M");
    const bytes data = with_data(image, pattern(4096, 1));
    const auto d = open_read_only(image, "watchless", "profile rbd-read-only");
    ASSERT_TRUE(d);
    bytes back(4096);
    EXPECT_EQ(read(*d, core(1), 0, back), sc::success);
    EXPECT_EQ(back, data);

    const auto gone = sc::invalid_namespace_or_format.with_dnr();
    tool("rbd trash mv rbd/removed");
    EXPECT_EQ(read(*d, core(0), 0, back), gone);
    tool("rbd trash restore " + d->info().id);
    EXPECT_EQ(read(*d, core(0), 0, back), sc::success) << "a restored image is the same";

    load reads(*d, core(1), op::read, 8);
    ASSERT_TRUE(eventually([&] { return reads.done() > 20; }));
    EXPECT_EQ(reads.failed(), 0u);
    tool("rbd rm --no-progress rbd/removed");
    EXPECT_TRUE(eventually([&] { return reads.failed() > 0; }));
    reads.stop();
    EXPECT_EQ(read(*d, core(0), 0, back), gone);
    EXPECT_EQ(io(*d, core(1), {op::compare, 0, 8}, scattered(back)), gone);
    EXPECT_TRUE(remove("Ceph0"));
    tool("rbd create rbd/removed --size 8M");  // for the end of `image`
}

TEST_F(RbdRemoval, a_watch_that_was_lost_is_taken_again_and_reads_go_on_meanwhile) {
    test_image image("unwatched", "8M", "--image-feature layering");
    auto o = options();
    // librados says every 5 s that it is there: the OSD gives the watch up again and again.
    o.config_param = {{"osd_client_watch_timeout", "1"}};
    ASSERT_TRUE(run(clusters_.add("silent", o)));
    auto p = params(image);
    p.cluster_name = "silent";
    const auto d = open(p);
    ASSERT_TRUE(d);
    const bytes data = pattern(4096, 1);
    EXPECT_EQ(write(*d, core(0), 0, data), sc::success);
    const auto watches = [&] {
        const std::string list = tool("rados -p rbd listwatchers rbd_header." + d->info().id);
        return std::ranges::count(list, '\n');
    };
    const auto librbds = 1, both = 2;
    for (int n = 0; n < 2; ++n) {
        EXPECT_TRUE(eventually([&] { return watches() == librbds; }));
        bytes back(4096);
        EXPECT_EQ(read(*d, core(1), 0, back), sc::success) << "after a look, which makes it watch again";
        EXPECT_EQ(back, data);
        EXPECT_TRUE(eventually([&] { return watches() == both; }));
    }
}

}  // namespace
}  // namespace causeway::bdev_rbd
