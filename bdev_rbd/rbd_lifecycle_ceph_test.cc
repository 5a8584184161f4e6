// SPDX-License-Identifier: Apache-2.0
// Clusters and images coming and going: names, places, sizes, refusals.

#include "bdev_rbd/testing/ceph_fixture.h"
#include "core/log.h"
#include "core/notification_log.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>

namespace causeway::bdev_rbd {
namespace {

using bdev::op;
namespace sc = nvme::sc;

class RbdLifecycle : public CephTest {
  protected:
    using CephTest::CephTest;
    std::vector<std::size_t> images_by_core(std::size_t count) {
        std::vector<std::unique_ptr<test_image>> images;
        std::vector<std::size_t> placed(group_.size());
        for (std::size_t n = 0; n < count; ++n) {
            images.push_back(std::make_unique<test_image>("placed" + std::to_string(n), "8M"));
            if (const auto d = open(*images.back()))
                ++placed[d->home()->index()];
        }
        for (std::size_t n = 0; n < count; ++n)
            EXPECT_TRUE(remove("Ceph" + std::to_string(n)));
        std::size_t left = 0;
        on_control(
            [&] { left = homes_.count_on(0, core::lease_kind::disk) + homes_.count_on(1, core::lease_kind::disk); });
        EXPECT_EQ(left, 0u) << "places are given back";
        return placed;
    }
};

TEST_F(RbdLifecycle, eight_images_spread_over_both_cores) {
    EXPECT_EQ(images_by_core(8), (std::vector<std::size_t>{4, 4}));
}

class AllOnTheFirst : public RbdLifecycle {
  protected:
    AllOnTheFirst() : RbdLifecycle(core::placement_policy::first) {}
};
TEST_F(AllOnTheFirst, eight_images_share_one_core_where_that_is_asked_for) {
    EXPECT_EQ(images_by_core(8), (std::vector<std::size_t>{8, 0}));
}

TEST_F(RbdLifecycle, librbd_is_called_on_the_home_reactor_alone) {
    test_image image("home", "8M");
    const auto d = open(image);
    ASSERT_TRUE(d);
    const auto messages = [&](std::size_t i) { return core(i).stats().messages.get(); };
    const std::size_t home = d->home()->index();
    // 100 I/Os from the home's own core pass no mailbox on the way there: one message each, the completion.
    load mine(*d, core(home), op::read, 1);
    ASSERT_TRUE(eventually([&] { return mine.done() >= 100; }));
    mine.stop();
    const auto before = messages(home);
    load other(*d, core(1 - home), op::read, 1);
    ASSERT_TRUE(eventually([&] { return other.done() >= 100; }));
    other.stop();
    EXPECT_GE(messages(home) - before, 100u);
    EXPECT_LE(messages(home) - before, other.done() + 10) << "a completion never comes by here";
}

TEST_F(RbdLifecycle, opening_and_closing_of_images_is_traced) {
    test_image image("traced", "8M");
    ::testing::internal::CaptureStderr();
    core::log::flag::set("bdev_rbd", true);
    const bool opened = open(params(image, "traced")) != nullptr;
    const bool removed = remove("traced").has_value();
    auto missing = params(image, "missing");
    missing.image.name = "no-such-image";
    const auto refused = run(disks_.create(missing));
    core::log::flag::set("bdev_rbd", false);
    const bool flushed = core::log::flush();
    const std::string printed = ::testing::internal::GetCapturedStderr();
    EXPECT_TRUE(opened && removed && !refused && flushed);
    std::size_t at = 0;
    for (const char* line :
         {"DEBUG: bdev_rbd: traced: opening image rbd/traced\n", ": image rbd/traced: opened\n",
          ": image rbd/traced: closed\n", ": opening image rbd/no-such-image\n", ": image rbd/no-such-image: "}) {
        at = printed.find(line, at);
        EXPECT_NE(at, std::string::npos) << line << " is not in\n" << printed;
    }
}

TEST_F(RbdLifecycle, an_image_has_one_handle) {
    test_image image("once", "8M");
    const auto d = open(params(image, "first"));
    ASSERT_TRUE(d);
    auto p = params(image, "second");
    auto again = run(disks_.create(p));
    ASSERT_FALSE(again);
    EXPECT_EQ(again.error().code, EBUSY);
    EXPECT_EQ(again.error().text(), "rbd/once: the image is open here already: one image, one handle");
    p.cluster_name.clear();  // nor by another client
    p.client = options();
    again = run(disks_.create(p));
    ASSERT_FALSE(again);
    EXPECT_EQ(again.error().code, EBUSY);
    p = params(image, "first");
    again = run(disks_.create(p));
    ASSERT_FALSE(again);
    EXPECT_EQ(again.error().code, EEXIST);

    // What is refused after it was opened is closed again.
    test_image other("another", "8M");
    p = params(other, "third");
    p.uuid = d->id();
    again = run(disks_.create(p));
    ASSERT_FALSE(again);
    EXPECT_EQ(again.error().code, EEXIST);
    EXPECT_TRUE(open(params(other, "third")));

    EXPECT_TRUE(remove("first"));
    p = params(image, "second");
    p.uuid = bdev::random_uuid();
    const auto chosen = open(p);
    ASSERT_TRUE(chosen);
    EXPECT_EQ(chosen->id(), *p.uuid);
    EXPECT_EQ(registry_.find(bdev::to_string(*p.uuid)), chosen);
}

TEST_F(RbdLifecycle, a_uuid_belongs_to_the_image_and_not_to_its_name_or_gateway) {
    test_image image("uuid", "8M");
    auto d = open(image);
    ASSERT_TRUE(d);
    const auto id = d->id();
    d.reset();
    EXPECT_TRUE(remove("Ceph0"));
    tool("rbd mv rbd/uuid rbd/renamed");
    auto p = params(image, "x");
    p.image.name = "renamed";
    d = open(p);
    ASSERT_TRUE(d);
    EXPECT_EQ(d->id(), id);
    EXPECT_TRUE(remove("x"));
    tool("rbd mv rbd/renamed rbd/uuid");
}

TEST_F(RbdLifecycle, another_block_size_makes_another_disk) {
    test_image image("sizes", "8M");
    const auto by_512 = open(image);
    ASSERT_TRUE(by_512);
    EXPECT_EQ(by_512->id(), by_512->info().identity) << "as it always was: hosts know it by that";
    const auto id = by_512->id();
    EXPECT_TRUE(remove("Ceph0"));
    auto p = params(image);
    p.block_size = 4096;
    const auto by_4096 = open(p);
    ASSERT_TRUE(by_4096);
    EXPECT_NE(by_4096->id(), id);
    const auto again = by_4096->id();
    EXPECT_TRUE(remove("Ceph0"));
    EXPECT_EQ(open(p)->id(), again);
}

TEST_F(RbdLifecycle, a_name_that_was_given_to_another_image_is_not_opened_for_the_old_one) {
    test_image image("moved", "8M");
    const auto d = open(image);
    ASSERT_TRUE(d);
    disk_params made_with;
    on_control([&] { made_with = *disks_.params_of(*d); });
    EXPECT_EQ(made_with.image_id, d->info().id);
    EXPECT_TRUE(remove("Ceph0"));

    tool("rbd mv rbd/moved rbd/away");
    tool("rbd create rbd/moved --size 8M");
    const auto refused = run(disks_.create(made_with));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ESTALE);
    EXPECT_THAT(refused.error().text(), testing::HasSubstr("not " + made_with.image_id));
    tool("rbd rm --no-progress rbd/moved");
    tool("rbd mv rbd/away rbd/moved");
    EXPECT_TRUE(open(made_with));
}

TEST_F(RbdLifecycle, a_read_only_image_is_never_written) {
    test_image image("readonly", "8M");
    const bytes data = pattern(4096, 1);
    auto d = open(image);
    ASSERT_TRUE(d);
    EXPECT_EQ(write(*d, core(0), 8, data), sc::success);
    d.reset();
    EXPECT_TRUE(remove("Ceph0"));

    auto p = params(image);
    p.image.read_only = true;
    d = open(p);
    ASSERT_TRUE(d);
    EXPECT_TRUE(d->capabilities().read_only);
    EXPECT_FALSE(d->capabilities().volatile_write_cache);
    bytes back(4096);
    EXPECT_EQ(read(*d, core(1), 8, back), sc::success);
    EXPECT_EQ(back, data);
    EXPECT_EQ(io(*d, core(1), {op::compare, 8, 8}, scattered(back)), sc::success);
    EXPECT_EQ(io(*d, core(1), {op::flush}), sc::success);
    for (op o : {op::write, op::write_zeroes, op::unmap, op::compare_and_write})
        EXPECT_EQ(io(*d, core(0), {o, 0, 1}, scattered(back), scattered(back)),
                  sc::namespace_is_write_protected.with_dnr());
    const auto resized = run(disks_.resize("Ceph0", {.bytes = 16 << 20}));
    ASSERT_FALSE(resized);
    EXPECT_EQ(resized.error().code, EROFS);
    const bytes content = image.content();
    EXPECT_TRUE(std::equal(data.begin(), data.end(), content.begin() + 4096));
}

TEST_F(RbdLifecycle, a_rados_namespace_is_part_of_the_pool_or_apart) {
    tool("rbd namespace create rbd/tenant");
    tool("rbd create rbd/tenant/disk --size 8M");
    auto p = params(test_image("other", "8M"));
    p.image = {.pool = "rbd/tenant", .rados_namespace = "", .name = "disk"};
    auto d = open(p);
    ASSERT_TRUE(d);
    EXPECT_EQ(d->aliases(), std::vector<std::string>{"rbd/tenant/disk"});
    EXPECT_EQ(d->spec().rados_namespace, "tenant");
    EXPECT_EQ(write(*d, core(0), 0, pattern(4096, 1)), sc::success);
    EXPECT_TRUE(remove("Ceph0"));

    p.image = {.pool = "rbd", .rados_namespace = "tenant", .name = "disk"};
    d = open(p);
    ASSERT_TRUE(d);
    bytes back(4096);
    EXPECT_EQ(read(*d, core(0), 0, back), sc::success);
    EXPECT_EQ(back, pattern(4096, 1));
    EXPECT_TRUE(remove("Ceph0"));

    p.image.rados_namespace = "nobody";
    const auto none = run(disks_.create(p));
    ASSERT_FALSE(none);
    EXPECT_EQ(none.error().text(), "rbd/nobody: the pool has no such namespace");
    tool("rbd rm --no-progress rbd/tenant/disk");
    tool("rbd namespace remove rbd/tenant");
}

struct watcher final : bdev::observer {
    void resized(bdev::device&, std::uint64_t blocks) override { heard = blocks; }
    void removed(bdev::device& d) override { d.release(*this); }
    std::atomic<std::uint64_t> heard{0};
};

TEST_F(RbdLifecycle, whoever_resizes_the_image_the_observer_hears_of_it) {
    test_image image("resize", "16M");
    const auto d = open(image);
    ASSERT_TRUE(d);
    watcher w;
    on_control([&] { ASSERT_TRUE(d->claim(w)); });

    EXPECT_TRUE(run(disks_.resize("Ceph0", {.bytes = 32 << 20})));
    EXPECT_EQ(d->blocks(), (32u << 20) / 512);
    EXPECT_EQ(w.heard, (32u << 20) / 512);
    EXPECT_EQ(image.content().size(), 32u << 20);
    EXPECT_EQ(write(*d, core(1), d->blocks() - 8, pattern(4096, 1)), sc::success);

    tool("rbd resize --no-progress rbd/resize --size 48M");
    EXPECT_TRUE(eventually([&] { return d->blocks() == (48u << 20) / 512; }));
    EXPECT_EQ(write(*d, core(0), d->blocks() - 8, pattern(4096, 2)), sc::success);

    const auto refused = run(disks_.resize("Ceph0", {.bytes = 8 << 20}));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, EINVAL);
    EXPECT_TRUE(run(disks_.resize("Ceph0", {.bytes = 8 << 20, .allow_shrink = true})));
    EXPECT_EQ(w.heard, (8u << 20) / 512);
    EXPECT_EQ(write(*d, core(0), d->blocks(), pattern(4096, 2)), sc::lba_out_of_range.with_dnr());
    EXPECT_EQ(image.content().size(), 8u << 20);
    EXPECT_TRUE(remove("Ceph0")) << "waits until the observer has let go";
}

TEST_F(RbdLifecycle, a_size_that_librbd_has_missed_is_not_taken_for_the_present_one) {
    test_image image("missed", "16M");
    const auto d = open(image);
    ASSERT_TRUE(d);
    EXPECT_TRUE(run(disks_.refresh_size("Ceph0")));
    // As if its reading of a changed header had failed: nothing tells librbd of this.
    const std::string header = "rados -p rbd setomapval rbd_header." + d->info().id + " size";
    tool("printf '\\000\\000\\000\\002\\000\\000\\000\\000' | " + header);
    const auto missed = run(disks_.refresh_size("Ceph0"));
    ASSERT_FALSE(missed);
    EXPECT_EQ(missed.error().code, EAGAIN) << missed.error().text();
    tool("printf '\\000\\000\\000\\001\\000\\000\\000\\000' | " + header);
    EXPECT_TRUE(run(disks_.refresh_size("Ceph0")));
    EXPECT_TRUE(remove("Ceph0"));
}

TEST_F(RbdLifecycle, a_shrink_of_years_is_cancelled_by_the_next_resize_and_by_deletion) {
    constexpr std::uint64_t pebibyte = std::uint64_t{1} << 50;
    test_image image("mistyped", "64M",
                     "--image-feature layering,exclusive-lock");  // without a map of what is not there
    const auto d = open(image);
    ASSERT_TRUE(d);
    const auto refused = run(disks_.resize("Ceph0", {.bytes = pebibyte}));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, EFBIG);
    ASSERT_TRUE(run(disks_.resize("Ceph0", {.bytes = pebibyte, .force = true})));
    EXPECT_EQ(d->blocks(), pebibyte / 512);
    const auto told = [&] {
        std::ptrdiff_t count = 0;
        on_control([&] {
            count = std::ranges::count(core::notifications().all(), core::notification_type::bdev_shrink,
                                       &core::notification_log::entry::type);
        });
        return count;
    };
    const auto before = told();

    auto shrink = start(disks_.resize("Ceph0", {.bytes = 64 << 20, .allow_shrink = true}));
    EXPECT_TRUE(eventually([&] { return d->blocks() == (64u << 20) / 512; })) << "hosts have lost the blocks";
    EXPECT_TRUE(run(disks_.resize("Ceph0", {.bytes = pebibyte})));
    const auto cancelled = shrink.get();
    ASSERT_FALSE(cancelled);
    EXPECT_EQ(cancelled.error().code, ECANCELED);
    EXPECT_EQ(d->blocks(), pebibyte / 512) << "and have them back";
    EXPECT_EQ(told(), before) << "the image has never been smaller";

    shrink = start(disks_.resize("Ceph0", {.bytes = 64 << 20, .allow_shrink = true}));
    EXPECT_TRUE(eventually([&] { return d->blocks() == (64u << 20) / 512; }));
    EXPECT_TRUE(remove("Ceph0"));
    EXPECT_EQ(shrink.get().error().code, ECANCELED);
    tool("rados -p rbd rm rbd_header." + d->info().id);  // or its removal would take as long
}

TEST_F(RbdLifecycle, a_shrink_under_load_leaks_no_memory_into_reads) {
    test_image image("shrink", "64M");
    const auto d = open(image);
    ASSERT_TRUE(d);
    load reader(*d, core(0), op::read, 8), other(*d, core(1), op::read, 8, 256);
    ASSERT_TRUE(eventually([&] { return reader.done() > 100; }));
    tool("rbd resize --no-progress --allow-shrink rbd/shrink --size 8M");
    EXPECT_TRUE(eventually([&] { return d->blocks() == (8u << 20) / 512; }));
    // Past the end by its own knowledge or by librbd's: never anything else.
    reader.stop();
    other.stop();
    bytes data(4096, std::byte{0xee});
    EXPECT_EQ(read(*d, core(0), (16 << 20) / 512, data), sc::lba_out_of_range.with_dnr());
}

TEST_F(RbdLifecycle, what_cannot_be_opened_is_said_in_a_sentence) {
    test_image image("exists", "8M");
    const auto sentence = [&](disk_params p, int code) {
        const auto r = run(disks_.create(std::move(p)));
        EXPECT_FALSE(r);
        if (r)
            return std::string();
        EXPECT_EQ(r.error().code, code) << r.error().text();
        return r.error().text();
    };
    ASSERT_TRUE(open(params(image, "works")));
    ASSERT_TRUE(remove("works"));

    auto p = params(image);
    p.image.name = "nobody";
    EXPECT_EQ(sentence(p, ENOENT), "rbd/nobody: there is no such image");
    p = params(image);
    p.image.pool = "nowhere";
    EXPECT_EQ(sentence(p, ENOENT), "nowhere: there is no such pool");
    p = params(image);
    p.image.pool = "";
    EXPECT_EQ(sentence(p, EINVAL), "/exists: an image has a pool and a name");
    p = params(image);
    p.cluster_name = "elsewhere";
    EXPECT_EQ(sentence(p, ENOENT), "elsewhere: no cluster of this name is registered");
    p = params(image);
    p.block_size = 1000;
    EXPECT_EQ(sentence(p, EINVAL),
              "rbd/exists: the block size is a power of two from 512 up to the image's stripe unit "
              "(4194304): RADOS writes a larger block in parts");
    p = params(image);
    p.cluster_name.clear();
    p.client = options();
    p.client.user_id = "nobody";
    EXPECT_EQ(sentence(p, EACCES), "client.nobody: the Ceph cluster does not accept the user's key");
    p.client.config_param = {{"keyring", "/nowhere/keyring"}};
    EXPECT_EQ(sentence(p, ENOENT), "client.nobody: no keyring of the user was found, or no monitor is named");
    p.client = options();
    p.client.user_id = "client.admin";
    EXPECT_EQ(sentence(p, EINVAL), "client.admin: user_id is written without \"client.\"");
    p.client = options();
    p.client.config_param = {{"rbd_no_such_thing", "AQsecret"}};
    EXPECT_EQ(sentence(p, EINVAL), "rbd_no_such_thing: librados does not know this setting, or refuses its value")
        << "the value may be a key under a misspelt name";
    p.client = options();
    p.client.config_file = "/nowhere/ceph.conf";
    EXPECT_EQ(sentence(p, ENOENT), "/nowhere/ceph.conf: cannot read the Ceph configuration file");
    EXPECT_EQ(disks_.opening(), 0u);
}

TEST_F(RbdLifecycle, a_user_of_its_own_with_a_key_file_of_its_own) {
    test_image image("user", "8M");
    const std::string key = std::filesystem::temp_directory_path() / "rbd_device_test.keyring";
    tool("ceph auth get-or-create client.gateway mon 'profile rbd' osd 'profile rbd pool=rbd' -o " + key);
    auto o = options();
    o.user_id = "gateway";
    o.key_file = key;
    ASSERT_TRUE(run(clusters_.add("by key", o)));
    auto p = params(image);
    p.cluster_name = "by key";
    const auto d = open(p);
    ASSERT_TRUE(d);
    EXPECT_EQ(write(*d, core(0), 0, pattern(4096, 1)), sc::success);
    std::filesystem::remove(key);
}

TEST_F(RbdLifecycle, a_cluster_stays_registered_while_images_use_it) {
    test_image image("lease", "8M");
    ASSERT_TRUE(run(clusters_.add("c", options())));
    auto twice = run(clusters_.add("c", options()));
    ASSERT_FALSE(twice);
    EXPECT_EQ(twice.error().code, EEXIST);
    auto p = params(image);
    p.cluster_name = "c";
    ASSERT_TRUE(open(p));

    std::vector<ceph::clusters::view> views;
    on_control([&] { views = clusters_.all(); });
    ASSERT_EQ(views.size(), 1u);
    EXPECT_EQ(views[0].name, "c");
    EXPECT_EQ(views[0].images, 1u);
    EXPECT_EQ(views[0].fsid + "\n", tool("ceph fsid"));

    auto busy = run(clusters_.remove("c"));
    ASSERT_FALSE(busy);
    EXPECT_EQ(busy.error().code, EBUSY);
    EXPECT_EQ(busy.error().text(), "c: 1 images use the cluster");
    EXPECT_TRUE(remove("Ceph0"));
    EXPECT_TRUE(run(clusters_.remove("c")));
    auto gone = run(clusters_.remove("c"));
    ASSERT_FALSE(gone);
    EXPECT_EQ(gone.error().code, ENOENT);
}

struct thread_facts {
    std::string name, cpus;
};
/// All threads of this process by their ids.
std::map<std::string, thread_facts> threads() {
    std::map<std::string, thread_facts> all;
    for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
        std::ifstream status(task.path() / "status");
        thread_facts& t = all[task.path().filename()];
        for (std::string line; std::getline(status, line);) {
            if (line.starts_with("Name:\t"))
                t.name = line.substr(6);
            if (line.starts_with("Cpus_allowed_list:\t"))
                t.cpus = line.substr(19);
        }
    }
    return all;
}

TEST_F(RbdLifecycle, the_clients_threads_stay_where_they_are_told) {
    test_image image("mask", "8M");
    const auto before = threads();
    auto o = options();
    o.core_mask = "[1]";
    ASSERT_TRUE(run(clusters_.add("masked", o)));
    auto p = params(image);
    p.cluster_name = "masked";
    const auto d = open(p);
    ASSERT_TRUE(d);
    EXPECT_EQ(write(*d, core(0), 0, pattern(4096, 1)), sc::success);  // the first one takes the exclusive lock
    EXPECT_TRUE(run(disks_.resize("Ceph0", {.bytes = 16 << 20})));
    unsigned theirs = 0;
    for (const auto& [id, t] : threads()) {
        if (before.contains(id) || t.name == "blocking")
            continue;
        EXPECT_EQ(t.cpus, "1") << t.name;
        ++theirs;
    }
    EXPECT_GE(theirs, 5u) << "messengers, io contexts, finishers, timers";
}

TEST_F(RbdLifecycle, an_image_that_is_being_opened_when_the_gateway_ends_is_closed) {
    test_image image("ending", "8M");
    ASSERT_TRUE(run(clusters_.add("c", options())));
    auto p = params(image, "d");
    p.cluster_name = "c";
    // At each point of the opening: an image opens in some 6 ms.
    for (auto delay = 0us; delay < 16ms; delay += 1600us) {
        disks ending(registry_, clusters_, homes_);
        auto opened = start(ending.create(p));
        std::this_thread::sleep_for(delay);
        run([](disks& d) -> core::task<bool> { co_return co_await d.stop(), true; }(ending));
        const auto outcome = opened.get();
        std::size_t left = 0;
        on_control([&] { left = registry_.all().size(); });
        EXPECT_EQ(left, outcome ? 1u : 0u) << "what was made is there to be closed with the others";
        if (outcome) {
            EXPECT_TRUE(run(registry_.remove("d")));
        } else {
            EXPECT_EQ(outcome.error().code, ECANCELED);
        }
        EXPECT_EQ(run(ending.create(p)).error().code, ECANCELED);
        EXPECT_TRUE(eventually([&] {
            bool returned = false;
            on_control([&] { returned = clusters_.all().front().hung.empty(); });
            return returned;
        }));
        EXPECT_TRUE(
            eventually([&] { return tool("rbd status rbd/ending").find("Watchers: none") != std::string::npos; }));
    }
}

}  // namespace
}  // namespace causeway::bdev_rbd
