// SPDX-License-Identifier: Apache-2.0
#include "nvmf/testing/target_fixture.h"

namespace causeway::nvmf::test {
namespace {

using nvme::fid;
using nvme::lid;

struct warm_device final : bdev::device {
    using device::device;
    std::string_view product_name() const noexcept override { return "warm"; }
    void submit(bdev::io& i) noexcept override { i.complete(sc::success); }
    const bdev::health* medium_health() const noexcept override { return &medium; }
    bdev::health medium{};
};

/// A host of a disk of 320 K whose Temperature Sensor 2 has 310 K, and that is to hear of temperatures.
class temperature_threshold : public testing::Test {
  protected:
    nvmf_fixture w;
    subsystem& s = w.make_subsystem();
    std::shared_ptr<warm_device> disk =
        std::make_shared<warm_device>(w.sim.group(), "disk", bdev::device_geometry{.block_size = 512, .blocks = 8},
                                      bdev::device_capabilities{}, bdev::uuid_of_name("disk"));
    host h;

    void SetUp() override {
        disk->medium.composite_temperature = 320;
        disk->medium.temperature_sensor[1] = 310;
        ASSERT_TRUE(w.devices.add(disk));
        w.add(s, "disk");
        h = w.make_host(host_a, 0);
        EXPECT_EQ(h.admin->call(set_features(fid::async_event_configuration, 0x02)).status(), sc::success);
    }
    status set(std::uint32_t value) { return h.admin->call(set_features(fid::temperature_threshold, value)).status(); }
    capsule& get(std::uint32_t selected, nvme::feature_select select = nvme::feature_select::current) {
        nvme::command c = get_features(fid::temperature_threshold, select);
        c.cdw11 = selected;
        return h.admin->call(c);
    }
    std::uint8_t warnings() {
        return h.admin->call(get_log_page(lid::smart, 512)).page<nvme::smart_log>().critical_warning;
    }
    void warm_to(std::uint16_t kelvin) {
        w.at_control([&] {
            disk->medium.composite_temperature = kelvin;
            disk->announce_health();
        });
    }
};

constexpr std::uint32_t sensor_2 = 2u << 16, sensor_1 = 1u << 16, all_sensors = 15u << 16, under = 1u << 20;

TEST_F(temperature_threshold, of_the_composite_temperature_is_wctemp_until_the_host_sets_another) {
    EXPECT_EQ(get(0).dw0(), 343u);
    EXPECT_EQ(get(under).dw0(), 0u);
    EXPECT_EQ(get(sensor_2).dw0(), 0xffffu);
    EXPECT_EQ(get(sensor_2 | under).dw0(), 0u);
    EXPECT_EQ(set(330), sc::success);
    EXPECT_EQ(get(0).dw0(), 330u);
    EXPECT_EQ(get(0, nvme::feature_select::defaults).dw0(), 343u);
}

TEST_F(temperature_threshold, warns_from_itself_on) {
    struct {
        const char* sentence;
        std::uint32_t value;
        std::uint8_t warning;
    } const rows[] = {
        {"over, not reached", 321, 0},
        {"over, reached", 320, 2},
        {"under, not reached", under | 319, 0},
        {"under, reached", under | 320, 2},
        {"a sensor of its own", sensor_2 | 310, 2},
        {"a sensor that is colder", sensor_2 | under | 309, 0},
    };
    for (const auto& row : rows) {
        SCOPED_TRACE(row.sentence);
        EXPECT_EQ(set(all_sensors | 0xffff), sc::success);
        EXPECT_EQ(set(all_sensors | under), sc::success);
        EXPECT_EQ(warnings(), 0);
        EXPECT_EQ(set(row.value), sc::success);
        EXPECT_EQ(warnings(), row.warning);
    }
}

TEST_F(temperature_threshold, is_announced_when_it_is_set_below_and_when_the_medium_gets_warmer) {
    constexpr std::uint32_t event = 0x00020101;  // log page 02h, temperature threshold, SMART
    capsule& first = h.admin->send(admin(nvme::admin_opcode::async_event_request));
    EXPECT_EQ(set(315), sc::success);
    w.pass(std::chrono::milliseconds(1));
    ASSERT_TRUE(first.answered);
    EXPECT_EQ(first.dw0(), event);
    EXPECT_EQ(set(330), sc::success);
    EXPECT_EQ(warnings(), 0);
    warm_to(320);
    capsule& second = h.admin->send(admin(nvme::admin_opcode::async_event_request));
    w.pass(std::chrono::milliseconds(1));
    EXPECT_FALSE(second.answered);
    warm_to(331);
    w.pass(std::chrono::milliseconds(1));
    ASSERT_TRUE(second.answered);
    EXPECT_EQ(second.dw0(), event);
}

TEST_F(temperature_threshold, of_a_sensor_that_is_not_there_is_refused) {
    for (const std::uint32_t selected : {sensor_1, 9u << 16, 14u << 16, 2u << 20, 3u << 20}) {
        EXPECT_EQ(set(selected | 300).with_more(false), sc::invalid_field.with_dnr()) << std::hex << selected;
        EXPECT_EQ(get(selected).status().with_more(false), sc::invalid_field.with_dnr()) << std::hex << selected;
    }
    EXPECT_TRUE(get(all_sensors).status().is(sc::invalid_field)) << "to be set, not to be read";
}

TEST_F(temperature_threshold, belongs_to_one_host_and_ends_with_a_reset) {
    host other = w.make_host(host_b, 0);
    EXPECT_EQ(set(315), sc::success);
    EXPECT_EQ(warnings(), 2);
    EXPECT_EQ(other.admin->call(get_log_page(lid::smart, 512)).page<nvme::smart_log>().critical_warning, 0);
}

}  // namespace
}  // namespace causeway::nvmf::test
