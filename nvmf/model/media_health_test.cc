// SPDX-License-Identifier: Apache-2.0
#include "nvmf/testing/target_fixture.h"

namespace causeway::nvmf::test {
namespace {

using nvme::lid;

struct ailing_device final : bdev::device {
    using device::device;
    std::string_view product_name() const noexcept override { return "ailing"; }
    void submit(bdev::io& i) noexcept override { i.complete(sc::success); }
    const bdev::health* medium_health() const noexcept override { return medium.get(); }
    std::shared_ptr<bdev::health> medium = std::make_shared<bdev::health>();
};

class media_health : public testing::Test {
  protected:
    nvmf_fixture w;
    subsystem& s = w.make_subsystem();
    host h;

    void SetUp() override {
        w.make_memory("disk");
        w.add(s, "disk");
        h = w.make_host(host_a, 0);
    }
    std::shared_ptr<ailing_device> add(const std::string& name, std::uint8_t warnings = 0) {
        auto d =
            std::make_shared<ailing_device>(w.sim.group(), name, bdev::device_geometry{.block_size = 512, .blocks = 8},
                                            bdev::device_capabilities{}, bdev::uuid_of_name(name));
        d->medium->critical_warning = warnings;
        d->medium->available_spare = 100;
        EXPECT_TRUE(w.devices.add(d));
        w.add(s, name);
        return d;
    }
    nvme::smart_log smart(bool rae = false) {
        return h.admin->call(get_log_page(lid::smart, 512, 0, rae)).page<nvme::smart_log>();
    }
    void warn(ailing_device& d, std::uint8_t warnings) {
        w.at_control([&] {
            d.medium->critical_warning = warnings;
            d.announce_health();
        });
    }
    capsule& ask() { return h.admin->send(admin(nvme::admin_opcode::async_event_request)); }
    void listen(std::uint32_t bits) {
        EXPECT_EQ(h.admin->call(set_features(nvme::fid::async_event_configuration, bits)).status(), sc::success);
    }
    /// What the host is told, if anything.
    std::optional<std::uint32_t> told(capsule& request) {
        w.pass(std::chrono::milliseconds(1));
        return request.answered ? std::optional(request.dw0()) : std::nullopt;
    }
};

constexpr std::uint32_t reliability = 0x00020001;  // log page 02h, information 00h, type 1h
constexpr std::uint32_t temperature = 0x00020101;
constexpr std::uint32_t spare = 0x00020201;
constexpr std::uint32_t all_warnings = 0xff;

TEST_F(media_health, without_media_that_say_something_all_is_well) {
    const auto log = smart();
    EXPECT_EQ(log.critical_warning, 0u);
    EXPECT_EQ(log.composite_temperature, 300u);
    EXPECT_EQ(log.available_spare, 100u);
    EXPECT_EQ(log.percentage_used, 0u);
}

/// Offsets by hand from "SMART / Health Information Log Page".
TEST_F(media_health, the_page_is_that_of_the_medium) {
    auto& one = *add("one")->medium;
    one.critical_warning = 0x05;
    one.composite_temperature = 320;
    one.available_spare = 7;
    one.available_spare_threshold = 10;
    one.percentage_used = 97;
    one.power_cycles = {12, 0};
    one.power_on_hours = {4321, 0};
    one.unsafe_shutdowns = {3, 0};
    one.media_errors = {2, 1};
    one.warning_temperature_time = 11;
    one.critical_temperature_time = 5;
    one.temperature_sensor[1] = 318;
    one.thermal_time[0] = 60;
    // What other users of the medium have done is not this host's.
    one.host_read_commands = {1000, 0};
    one.data_units_written = {1000, 0};
    one.error_log_entries = {1000, 0};
    const bytes& page = h.admin->call(get_log_page(lid::smart, 512)).data;
    struct {
        const char* field;
        std::size_t offset;
        bytes value;
    } const rows[] = {
        {"critical warning", 0, {std::byte{5}}},
        {"composite temperature", 1, raw(nvme::le16(320))},
        {"spare, its threshold, wear", 3, {std::byte{7}, std::byte{10}, std::byte{97}}},
        {"data units written, host reads", 48, filled(32, 0)},
        {"power cycles", 112, raw(nvme::le128{12, 0})},
        {"power on hours", 128, raw(nvme::le128{4321, 0})},
        {"unsafe shutdowns", 144, raw(nvme::le128{3, 0})},
        {"media errors", 160, raw(nvme::le128{2, 1})},
        {"error log entries", 176, filled(16, 0)},
        {"minutes of warning and critical temperature", 192, raw(std::array<nvme::le32, 2>{11, 5})},
        {"temperature sensors", 200, raw(std::array<nvme::le16, 2>{0, 318})},
        {"seconds of thermal management", 224, raw(nvme::le32(60))},
    };
    for (const auto& row : rows)
        EXPECT_EQ(bytes(page.begin() + static_cast<std::ptrdiff_t>(row.offset),
                        page.begin() + static_cast<std::ptrdiff_t>(row.offset + row.value.size())),
                  row.value)
            << row.field;
}

TEST_F(media_health, several_media_are_as_well_as_the_worst_of_them) {
    auto& one = *add("one")->medium;
    auto& two = *add("two")->medium;
    one.critical_warning = 0x01, two.critical_warning = 0x02;
    one.composite_temperature = 290, two.composite_temperature = 299;
    one.temperature_sensor[0] = 291, two.temperature_sensor[0] = 298;
    one.available_spare = 40, two.available_spare = 60;
    one.available_spare_threshold = 10, two.available_spare_threshold = 20;
    one.percentage_used = 30, two.percentage_used = 130;
    one.media_errors = {~0ull, 0}, two.media_errors = {2, 0};
    one.unsafe_shutdowns = {3, 0}, two.unsafe_shutdowns = {4, 0};
    one.power_cycles = {30, 0}, two.power_cycles = {5, 0};
    const auto log = smart();
    EXPECT_EQ(log.critical_warning, 3u);
    EXPECT_EQ(log.composite_temperature, 299u) << "cooler than what is made up for media without a sensor";
    EXPECT_EQ(log.temperature_sensor[0], 298u);
    EXPECT_EQ(log.available_spare, 40u);
    EXPECT_EQ(log.available_spare_threshold, 10u);
    EXPECT_EQ(log.percentage_used, 130u);
    EXPECT_EQ(raw(log.media_errors), raw(nvme::le128{1, 1}));
    EXPECT_EQ(log.unsafe_shutdowns.low, 7u);
    EXPECT_EQ(log.power_cycles.low, 30u);
}

TEST_F(media_health, a_medium_under_two_namespaces_counts_once) {
    auto one = add("one");
    auto two = add("two");
    two->medium = one->medium;
    one->medium->media_errors = {5, 0};
    EXPECT_EQ(smart().media_errors.low, 5u);
}

TEST_F(media_health, a_gateway_that_is_older_than_its_media_says_its_own_age) {
    add("new")->medium->power_on_hours = {1, 0};
    w.pass(std::chrono::hours(5));
    EXPECT_EQ(smart().power_on_hours.low, 5u);
}

TEST_F(media_health, each_warning_has_its_event) {
    struct {
        std::uint8_t warning;
        std::uint32_t event;
    } const rows[] = {{0x01, spare},       {0x02, temperature}, {0x04, reliability}, {0x08, reliability},
                      {0x10, reliability}, {0x03, spare},       {0x07, reliability}};
    auto d = add("ailing");
    listen(all_warnings);
    for (const auto& row : rows) {
        auto& request = ask();
        EXPECT_EQ(told(request), std::nullopt);
        warn(*d, row.warning);
        EXPECT_EQ(told(request), row.event) << int{row.warning};
        EXPECT_EQ(smart().critical_warning, row.warning);
        warn(*d, 0);
    }
}

TEST_F(media_health, only_what_the_host_listens_to_is_told) {
    auto d = add("ailing");
    listen(0x02);
    auto& request = ask();
    warn(*d, 0x05);
    EXPECT_EQ(told(request), std::nullopt);
    EXPECT_EQ(smart().critical_warning, 5u) << "but the page says it";
    warn(*d, 0x07);
    EXPECT_EQ(told(request), temperature);
}

TEST_F(media_health, a_warning_is_told_once_until_its_page_is_read_and_it_comes_back) {
    auto d = add("ailing");
    listen(all_warnings);
    auto& first = ask();
    auto& second = ask();
    warn(*d, 0x02);
    EXPECT_EQ(told(first), temperature);
    warn(*d, 0x06);
    EXPECT_EQ(told(second), std::nullopt) << "the host knows that it has to look";
    smart(true);
    warn(*d, 0x00);
    warn(*d, 0x06);
    EXPECT_EQ(told(second), std::nullopt) << "the event is retained";
    smart();
    warn(*d, 0x06);
    EXPECT_EQ(told(second), std::nullopt) << "it has read that";
    warn(*d, 0x04);
    warn(*d, 0x06);
    EXPECT_EQ(told(second), temperature);
}

TEST_F(media_health, a_warning_waits_for_a_request) {
    auto d = add("ailing");
    listen(all_warnings);
    warn(*d, 0x02);
    warn(*d, 0x03);
    EXPECT_EQ(told(ask()), spare) << "the worst of what has gathered";
    EXPECT_EQ(told(ask()), std::nullopt);
}

TEST_F(media_health, who_begins_to_listen_hears_what_is_wrong_already) {
    auto d = add("ailing");
    warn(*d, 0x01);
    auto& first = ask();
    EXPECT_EQ(told(first), std::nullopt);
    listen(0x1ff);
    EXPECT_EQ(told(first), spare);
    smart();
    auto& second = ask();
    listen(0x1ff);
    EXPECT_EQ(told(second), std::nullopt) << "nothing new";
    listen(0x100);
    listen(0x1ff);
    EXPECT_EQ(told(second), spare);
}

TEST_F(media_health, a_namespace_that_comes_brings_its_warnings_and_takes_them_along) {
    listen(all_warnings);
    auto& first = ask();
    auto d = add("ailing", 0x04);
    EXPECT_EQ(told(first), reliability);
    EXPECT_EQ(smart().critical_warning, 4u);
    EXPECT_TRUE(w.run(s.namespaces().remove(2)));
    EXPECT_EQ(smart().critical_warning, 0u);
    auto& second = ask();
    warn(*d, 0x05);
    EXPECT_EQ(told(second), std::nullopt) << "it is nobody's namespace";
    w.add(s, "ailing");
    EXPECT_EQ(told(second), reliability);
}

TEST_F(media_health, every_controller_of_the_subsystem_is_told_and_no_other) {
    host other = w.make_host(host_b, 0);
    w.make_subsystem("nqn.2024-01.io.example:other");
    host stranger = w.make_host(host_b, 0, "nqn.2024-01.io.example:other");
    auto d = add("ailing");
    std::vector<capsule*> requests;
    for (host* each : {&h, &other, &stranger}) {
        each->admin->call(set_features(nvme::fid::async_event_configuration, all_warnings));
        requests.push_back(&each->admin->send(admin(nvme::admin_opcode::async_event_request)));
    }
    warn(*d, 0x02);
    EXPECT_EQ(told(*requests[0]), temperature);
    EXPECT_EQ(told(*requests[1]), temperature);
    EXPECT_EQ(told(*requests[2]), std::nullopt);
}

TEST_F(media_health, a_reset_forgets_what_was_told) {
    auto d = add("ailing");
    listen(all_warnings);
    auto& first = ask();
    warn(*d, 0x02);
    EXPECT_EQ(told(first), temperature);
    h.admin->call(property_set(nvme::property::cc, 0));
    w.enable(h);
    auto& second = ask();
    warn(*d, 0x02);
    EXPECT_EQ(told(second), std::nullopt) << "nobody listens";
    listen(all_warnings);
    EXPECT_EQ(told(second), temperature);
}

}  // namespace
}  // namespace causeway::nvmf::test
