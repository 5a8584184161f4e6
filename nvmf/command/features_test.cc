// SPDX-License-Identifier: Apache-2.0
#include "nvmf/testing/target_fixture.h"

namespace causeway::nvmf::test {
namespace {

using nvme::feature_select;
using nvme::fid;

class features_command : public testing::Test {
  protected:
    nvmf_fixture w;
    subsystem& s = w.make_subsystem();
    host h = w.make_host(host_a, 0);

    status set(fid f, std::uint32_t value) { return h.admin->call(set_features(f, value)).status(); }
    std::uint32_t get(fid f, feature_select select = feature_select::current) {
        const capsule& c = h.admin->call(get_features(f, select));
        EXPECT_EQ(c.status(), sc::success) << nvme::to_string(c.status());
        return c.dw0();
    }
};

TEST_F(features_command, what_is_set_is_given_back_and_what_is_wrong_refused) {
    struct {
        const char* sentence;
        fid feature;
        std::uint32_t value;
        status answer;
        std::uint32_t after;
    } const rows[] = {
        {"arbitration is kept and has no effect", fid::arbitration, 0x01020303, sc::success, 0x01020303},
        {"its reserved bits are not kept", fid::arbitration, 0xf8, sc::success, 0},
        {"there is power state 0", fid::power_management, 0, sc::success, 0},
        {"and no other", fid::power_management, 1, sc::invalid_field, 0},
        {"a temperature threshold is kept", fid::temperature_threshold, 0x150, sc::success, 0x150},
        {"so is the limit of error recovery", fid::error_recovery, 0x1234, sc::success, 0x1234},
        {"no namespace reports deallocated blocks", fid::error_recovery, 0x10000, sc::invalid_field, 0x1234},
        {"without a cache there is nothing to switch", fid::volatile_write_cache, 1, sc::invalid_field, 0},
        {"write atomicity is kept", fid::write_atomicity, 1, sc::success, 1},
        {"namespace notices can be asked for", fid::async_event_configuration, 0x1ff, sc::success, 0x1ff},
        {"discovery notices are another controller's", fid::async_event_configuration, 0x80000000, sc::invalid_field,
         0x1ff},
        {"nor does anything tell of ANA", fid::async_event_configuration, 0x800, sc::invalid_field, 0x1ff},
        {"a keep alive timeout is rounded up to KAS", fid::keep_alive_timer, 10001, sc::success, 20000},
        {"one below the least is the least", fid::keep_alive_timer, 1, sc::success, 10000},
        {"the longest does not overflow", fid::keep_alive_timer, 0xffffffff, sc::success, 4294960000},
        {"none at all is not allowed", fid::keep_alive_timer, 0, sc::keep_alive_invalid, 4294960000},
    };
    for (const auto& row : rows) {
        SCOPED_TRACE(row.sentence);
        EXPECT_TRUE(set(row.feature, row.value).is(row.answer));
        EXPECT_EQ(get(row.feature), row.after);
    }
}

TEST_F(features_command, a_write_cache_is_there_to_stay) {
    struct cached final : bdev::device {
        using device::device;
        std::string_view product_name() const noexcept override { return "cached"; }
        void submit(bdev::io& i) noexcept override { i.complete(sc::success); }
    };
    ASSERT_TRUE(w.devices.add(std::make_shared<cached>(w.sim.group(), "cached", bdev::device_geometry{.blocks = 8},
                                                       bdev::device_capabilities{.volatile_write_cache = true},
                                                       bdev::uuid_of_name("cached"))));
    w.add(s, "cached");
    EXPECT_EQ(get(fid::volatile_write_cache), 1u);
    EXPECT_EQ(set(fid::volatile_write_cache, 1), sc::success);
    EXPECT_TRUE(set(fid::volatile_write_cache, 0).is(sc::feature_not_changeable));
}

TEST_F(features_command, queues_are_as_many_as_the_transport_allows) {
    struct {
        std::uint32_t asked;
        status answer;
    } const rows[] = {
        {0x00000000, sc::success},       {0x00030003, sc::success},       {0xfffefffe, sc::success},
        {0x0000ffff, sc::invalid_field}, {0xffff0000, sc::invalid_field},
    };
    for (const auto& row : rows) {
        const capsule& c = h.admin->call(set_features(fid::number_of_queues, row.asked));
        EXPECT_TRUE(c.status().is(row.answer)) << row.asked;
        if (row.answer.ok()) {
            EXPECT_EQ(c.dw0(), 0x007e007eu) << "127 of each, 0's based";
        }
    }
    EXPECT_EQ(get(fid::number_of_queues), 0x007e007eu);
}

TEST_F(features_command, queues_cannot_be_counted_again_once_there_are_some) {
    host with_queues = w.make_host(host_b, 1);
    EXPECT_TRUE(
        with_queues.admin->call(set_features(fid::number_of_queues, 0)).status().is(sc::command_sequence_error));
}

TEST_F(features_command, host_behavior_travels_as_data) {
    nvme::host_behavior_support wanted{};
    wanted.acre = 1;
    wanted.lbafee = 1;
    const nvme::command command = set_features(fid::host_behavior_support, 0);
    EXPECT_EQ(h.admin->call(command, raw(wanted)).status(), sc::success);
    EXPECT_EQ(h.admin->call(get_features(fid::host_behavior_support)).data, raw(wanted));
    EXPECT_EQ(h.admin->call(get_features(fid::host_behavior_support, feature_select::defaults)).data, filled(512, 0));
    wanted.acre = 2;
    EXPECT_TRUE(h.admin->call(command, raw(wanted)).status().is(sc::invalid_field));
}

TEST_F(features_command, the_host_identifier_is_connects) {
    nvme::command extended = get_features(fid::host_identifier);
    extended.cdw11 = 1;
    EXPECT_EQ(h.admin->call(extended).data, filled(16, '1'));
    EXPECT_TRUE(h.admin->call(get_features(fid::host_identifier)).status().is(sc::invalid_field));
    EXPECT_TRUE(set(fid::host_identifier, 1).is(sc::command_sequence_error));
}

TEST_F(features_command, selects) {
    EXPECT_EQ(set(fid::arbitration, 5), sc::success);
    EXPECT_EQ(get(fid::arbitration), 5u);
    EXPECT_EQ(get(fid::arbitration, feature_select::defaults), 0u);
    EXPECT_EQ(get(fid::arbitration, feature_select::saved), 0u) << "nothing is saved: the default";
    EXPECT_EQ(get(fid::arbitration, feature_select::capabilities), nvme::feature_changeable);
    EXPECT_EQ(get(fid::volatile_write_cache, feature_select::capabilities), 0u);
    for (unsigned select = 4; select < 8; ++select)
        EXPECT_TRUE(h.admin->call(get_features(fid::arbitration, static_cast<feature_select>(select)))
                        .status()
                        .is(sc::invalid_field));
}

TEST_F(features_command, nothing_is_saved_and_most_is_no_namespaces_own) {
    nvme::command c = set_features(fid::arbitration, 1);
    c.cdw10 = c.cdw10 | 1u << 31;
    EXPECT_TRUE(h.admin->call(c).status().is(sc::feature_not_saveable));
    EXPECT_TRUE(h.admin->call(set_features(fid::arbitration, 1, 1)).status().is(sc::feature_not_namespace_specific));
    EXPECT_EQ(h.admin->call(set_features(fid::arbitration, 1, 0xffffffff)).status(), sc::success);
}

TEST_F(features_command, others_are_refused_and_absent_from_the_effects) {
    host d = w.make_host(host_a, 0, std::string(nvme::discovery_nqn));
    for (host* each : {&h, &d}) {
        const auto effects =
            each->admin->call(get_log_page(nvme::lid::feature_effects, 1024)).page<nvme::feature_effects_log>();
        unsigned known = 0;
        for (unsigned f = 0; f < 256; ++f) {
            const auto id = static_cast<fid>(f);
            const bool listed = effects.feature[f] & nvme::feature_effect_supported;
            known += listed;
            if (!listed) {
                EXPECT_TRUE(each->admin->call(get_features(id)).status().is(sc::invalid_field)) << f;
                const bytes data = id == fid::host_behavior_support ? filled(512, 0) : bytes();
                EXPECT_TRUE(each->admin->call(set_features(id, 0), data).status().is(sc::invalid_field)) << f;
            }
        }
        EXPECT_EQ(known, each == &h ? 13u : 2u);
    }
}

}  // namespace
}  // namespace causeway::nvmf::test
