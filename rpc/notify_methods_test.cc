// SPDX-License-Identifier: Apache-2.0
#include "core/notification_log.h"
#include "host/loop/commands.h"
#include "rpc/notify_methods.h"
#include "rpc/testing/rpc_fixture.h"

#include <fmt/format.h>

namespace causeway::rpc {
namespace {

using core::notification_log;
using core::notification_type;
using test::method_fixture;
using test::parsed;

class notify_methods : public ::testing::Test {
  protected:
    notify_methods() { add_notify_methods(w.methods); }
    json since(std::uint64_t id) { return *w.call("notify_get_notifications", {{"id", id}}); }

    method_fixture w;
};

TEST_F(notify_methods, devices_are_announced_as_they_come_and_go) {
    w.start();
    EXPECT_EQ(w.result("notify_get_types"),
              parsed(R"(["bdev_register", "bdev_unregister", "bdev_shrink", "host_keepalive_timeout"])"));
    w.add_memory("Malloc0");
    const json before = w.result("notify_get_notifications");  // of tests before this one, too
    const auto first = before.back()["id"].get<std::uint64_t>();
    w.add_memory("Malloc1");
    EXPECT_TRUE(w.run(w.devices.remove("Malloc0")));
    const json all = {{{"type", "bdev_register"}, {"ctx", "Malloc0"}, {"id", first}},
                      {{"type", "bdev_register"}, {"ctx", "Malloc1"}, {"id", first + 1}},
                      {{"type", "bdev_unregister"}, {"ctx", "Malloc0"}, {"id", first + 2}}};
    EXPECT_EQ(since(first), all);
    EXPECT_EQ(since(first), all) << "a reader takes nothing from others";
    EXPECT_EQ(since(first + 2), json::array({all[2]}));
    EXPECT_EQ(since(first + 3), json::array());
    EXPECT_EQ(since(~std::uint64_t{0}), json::array());
    EXPECT_EQ(*w.call("notify_get_notifications", {{"id", first + 1}, {"max", 1}}), json::array({all[1]}));
    EXPECT_EQ(w.result("notify_get_notifications", R"({"max": 0})"), json::array());
    EXPECT_EQ(w.call("notify_get_notifications", R"({"id": -1})").error().code, error_code::parameters);
}

TEST_F(notify_methods, a_host_that_fell_silent_is_reported_with_its_subsystem_and_its_timeout) {
    w.furnish();
    loop::host_controller host(*w.fabric);
    loop::host_options o;
    o.at = {"LOOP", "", "here", ""};
    o.subnqn = "nqn.2024-01.io.example:a";
    o.hostnqn = "nqn.2024-01.io.example:h";
    o.hostid.fill(0x11);
    o.kato_ms = 15000;
    const auto connected = w.run(host.connect(o));
    ASSERT_TRUE(connected) << connected.error().text();
    const auto id = since(0).back()["id"].get<std::uint64_t>() + 1;
    EXPECT_TRUE(w.sim.run_until([&] { return !host.alive(); }));
    EXPECT_EQ(since(id), json::array({{{"type", "host_keepalive_timeout"},
                                       {"ctx", "nqn.2024-01.io.example:h_nqn.2024-01.io.example:a_20000"},
                                       {"id", id}}}))
        << "what it was granted: in steps of 10 s";
    w.run([](loop::host_controller& h) -> core::task<bool> {
        co_await h.disconnect();
        co_return true;
    }(host));
}

TEST(notification_log, the_oldest_makes_room_and_no_number_comes_twice) {
    notification_log log;
    for (std::size_t i = 0; i < notification_log::capacity + 5; ++i)
        log.add(notification_type::bdev_register, fmt::format("Malloc{}", i));
    ASSERT_EQ(log.all().size(), notification_log::capacity);
    EXPECT_EQ(log.all().front().id, 5u);
    EXPECT_EQ(log.all().front().context, "Malloc5");
    EXPECT_EQ(log.all().back().id, notification_log::capacity + 4);
}

TEST(notification_log, long_names_take_no_more_memory_than_there_is_for_them) {
    notification_log log;
    const std::string name(notification_log::max_bytes / 4, 'x');
    for (int i = 0; i < 100; ++i)
        log.add(notification_type::bdev_register, name);
    EXPECT_EQ(log.all().size(), 4u);
    EXPECT_EQ(log.all().back().id, 99u);
}

TEST(notification_log, hosts_that_fall_silent_hide_nothing_of_the_devices) {
    notification_log log;
    for (std::size_t i = 0; i < notification_log::capacity / 2; ++i)
        log.add(notification_type::bdev_register, fmt::format("Malloc{}", i));
    for (std::size_t i = 0; i < 3 * notification_log::capacity; ++i)
        log.add(notification_type::host_keepalive_timeout, fmt::format("host{}", i));
    ASSERT_EQ(log.all().size(), notification_log::capacity);
    EXPECT_EQ(log.all().front().context, "Malloc0");
    EXPECT_EQ(log.all()[notification_log::capacity / 2 - 1].type, notification_type::bdev_register);
    EXPECT_EQ(log.all().back().id, notification_log::capacity / 2 + 3 * notification_log::capacity - 1);
    log.add(notification_type::host_keepalive_timeout, std::string(notification_log::max_bytes / 2, 'x'));
    EXPECT_EQ(log.all().size(), notification_log::capacity / 2 + 1) << "nor with long names";
}

}  // namespace
}  // namespace causeway::rpc
