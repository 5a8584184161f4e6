// SPDX-License-Identifier: Apache-2.0
#include "bdev/registry.h"

#include "bdev/device_counters.h"
#include "bdev/null_device.h"
#include "bdev/testing/bdev_fixture.h"

#include <map>

namespace causeway::bdev {
namespace {

using namespace std::chrono_literals;
using test::run;

class aliased final : public device {
  public:
    aliased(core::reactor_group& g, std::string name, std::string alias)
        : device(g, std::move(name), {.blocks = 1}, {}, random_uuid()) {
        add_alias(std::move(alias));
    }
    std::string_view product_name() const noexcept override { return "Aliased"; }
    core::task<> close() override {
        co_await core::sleep_for(1s);
        closed = true;
    }
    bool closed = false;

  private:
    void submit(io& i) noexcept override { i.complete(nvme::sc::success); }
};

/// Lets go a while after it has heard.
struct slow_observer final : observer {
    void resized(device&, std::uint64_t) override {}
    void removed(device& d) override {
        core::detach([](device& d, slow_observer& self) -> core::task<> {
            co_await core::sleep_for(5s);
            d.release(self);
        }(d, *this));
    }
};

struct RegistryTest : testing::Test {
    core::simulation s{11, 2};
    registry all{s.group()};
    std::shared_ptr<null_device> null(std::string name, uuid id = random_uuid()) {
        return std::make_shared<null_device>(s.group(), std::move(name), device_geometry{.blocks = 1}, id);
    }
};

TEST_F(RegistryTest, finds_a_device_by_name_alias_and_uuid) {
    const auto d = std::make_shared<aliased>(s.group(), "Ceph0", "rbd/vm-17");
    EXPECT_TRUE(all.add(d));
    EXPECT_EQ(all.find("Ceph0"), d);
    EXPECT_EQ(all.find("rbd/vm-17"), d);
    EXPECT_EQ(all.find(to_string(d->id())), d);
    EXPECT_EQ(all.find("Ceph1"), nullptr);
    EXPECT_EQ(all.find(to_string(random_uuid())), nullptr);
}

TEST_F(RegistryTest, the_counters_of_a_device_are_listed_as_long_as_the_device) {
    const auto listed = [&] {
        std::string names;
        all.counter_list().visit("bdev", [&](const core::counter_group& g) { names += g.label("bdev"); });
        return names;
    };
    const auto d = null("a");
    EXPECT_TRUE(all.add(d));
    EXPECT_FALSE(all.add(null("a"))) << "the name is in use";
    EXPECT_TRUE(all.add(null("b")));
    EXPECT_EQ(listed(), "ab");
    d->stats().on(1).failed.set(3);
    const auto* counters = all.counter_list().find(device_counters, {{"bdev", "a"}});
    ASSERT_TRUE(counters);
    EXPECT_EQ(counters->value(failed_operations(), 0, 2), 3u);
    EXPECT_EQ(failed_operations().name, "causeway_bdev_failed_operations_total");
    EXPECT_EQ(miscompared_operations().name, "causeway_bdev_miscompared_operations_total");
    EXPECT_TRUE(test::run(s, all.remove("a")));
    EXPECT_EQ(listed(), "b");
}

TEST_F(RegistryTest, a_device_that_is_still_to_come_is_waited_for) {
    std::map<std::string, std::shared_ptr<device>> found;
    const auto look = [&](std::string name, core::nanoseconds limit) -> core::task<> {
        auto d = co_await all.find_within(limit, name);
        found[name] = std::move(d);
    };
    const auto here = null("here"), late = null("late");
    s[0].execute([&] {
        EXPECT_TRUE(all.add(here));
        core::detach(look("here", 0s));
        core::detach(look("nowhere", 0s));
        EXPECT_EQ(found.at("here"), here) << "at once";
        EXPECT_EQ(found.at("nowhere"), nullptr) << "at once";
        core::detach(look("late", 10s));
        core::detach(look("later", 2s));
    });
    s.run_for(1s);
    EXPECT_EQ(found.size(), 2u);
    s[0].execute([&] { EXPECT_TRUE(all.add(late)); });
    s.run_for(1ms);
    EXPECT_EQ(found.at("late"), late) << "as soon as it is there";
    EXPECT_FALSE(found.contains("later"));
    s.run_until_idle();
    EXPECT_EQ(found.at("later"), nullptr);
}

TEST_F(RegistryTest, no_name_alias_or_uuid_is_given_twice) {
    const auto d = std::make_shared<aliased>(s.group(), "Ceph0", "rbd/vm-17");
    EXPECT_TRUE(all.add(d));
    for (const auto& taken : {null("Ceph0"), null("rbd/vm-17"), null("other", d->id())}) {
        const auto r = all.add(taken);
        ASSERT_FALSE(r);
        EXPECT_EQ(r.error().code, EEXIST);
    }
    EXPECT_FALSE(all.add(std::make_shared<aliased>(s.group(), "Ceph1", "Ceph0")));
    EXPECT_EQ(all.all().size(), 1u);
}

TEST_F(RegistryTest, a_reserved_name_is_nobody_elses) {
    {
        auto name = all.reserve("Ceph0");
        ASSERT_TRUE(name);
        EXPECT_FALSE(all.reserve("Ceph0"));
        EXPECT_FALSE(all.add(null("Ceph0")));
        EXPECT_EQ(all.find("Ceph0"), nullptr);
        EXPECT_EQ(all.free_name("Ceph"), "Ceph1");
    }
    auto again = all.reserve("Ceph0");
    ASSERT_TRUE(again);
    EXPECT_TRUE(all.add(null("Ceph0"), std::move(*again)));
    EXPECT_FALSE(all.reserve("Ceph0"));
    EXPECT_FALSE(all.reserve(""));
}

TEST_F(RegistryTest, a_removal_waits_for_the_observer_and_for_the_back_end) {
    const auto d = std::make_shared<aliased>(s.group(), "Ceph0", "rbd/vm-17");
    EXPECT_TRUE(all.add(d));
    slow_observer o;
    EXPECT_TRUE(d->claim(o));
    std::optional<core::result<>> removed;
    s[0].execute([&] { core::detach(all.remove("Ceph0"), [&](core::result<> r) { removed = r; }); });
    s.run_for(4s);
    EXPECT_EQ(all.find("Ceph0"), nullptr) << "gone from the list at once";
    EXPECT_FALSE(all.reserve("Ceph0")) << "but its name is not free";
    EXPECT_FALSE(removed);
    s.run_for(1500ms);
    EXPECT_FALSE(d->claimed_by());
    EXPECT_FALSE(removed);
    s.run_for(1s);
    ASSERT_TRUE(removed);
    EXPECT_TRUE(*removed);
    EXPECT_TRUE(d->closed);
    EXPECT_TRUE(all.reserve("Ceph0"));
}

TEST_F(RegistryTest, what_is_not_there_cannot_be_removed) {
    const auto r = run(s, all.remove("Ceph0"));
    ASSERT_FALSE(r);
    EXPECT_EQ(r.error().code, ENODEV);
}

TEST_F(RegistryTest, a_second_removal_finds_nothing) {
    EXPECT_TRUE(all.add(std::make_shared<aliased>(s.group(), "Ceph0", "a")));
    std::optional<core::result<>> first;
    s[0].execute([&] { core::detach(all.remove("Ceph0"), [&](core::result<> r) { first = r; }); });
    s.run_for(1ms);
    EXPECT_FALSE(run(s, all.remove("Ceph0")));
    s.run_until_idle();
    EXPECT_TRUE(first && *first);
}

}  // namespace
}  // namespace causeway::bdev
