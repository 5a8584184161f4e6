// SPDX-License-Identifier: Apache-2.0
#include "nvmf/model/controller_properties.h"

#include <gtest/gtest.h>

namespace causeway::nvmf::test {
namespace {

using nvme::cc;
using nvme::csts;
using consequence = controller_properties::consequence;

const cc enabled = cc().set_iosqes(6).set_iocqes(4).set_en(true);
const cc shutting_down = cc(enabled).set_shn(cc::shutdown::normal);
const cc no_entry_sizes = cc().set_en(true);

/// What a host sees after it wrote `before`, all of which settled, and then `now`: while its I/O queues still have
/// commands at work, and when they have none.
struct row {
    const char* sentence;
    cc before, now;
    consequence what;
    csts while_busy, settled;
    bool ready_while_busy, ready;
};

const csts rdy = csts().set_rdy(true);
const csts cfs = csts().set_cfs(true);
csts rdy_and(csts::shutdown s) {
    return csts(rdy).set_shst(s);
}

const row rows[] = {
    {"an enable waits for the queues of the controller before", {}, enabled, consequence::none, {}, rdy, false, true},
    {"a reset is complete with the last command", enabled, {}, consequence::reset, rdy, {}, false, false},
    {"a shutdown likewise, and commands run meanwhile", enabled, shutting_down, consequence::shutdown,
     rdy_and(csts::shutdown::occurring), rdy_and(csts::shutdown::complete), true, true},
    {"a reset ends a shutdown", shutting_down, {}, consequence::reset, rdy, {}, false, false},
    {"writing the same again changes nothing", enabled, enabled, consequence::none, rdy, rdy, true, true},
    {"a configuration that does not exist is fatal", {}, no_entry_sizes, consequence::none, {}, cfs, false, false},
    {"a reset clears that", no_entry_sizes, {}, consequence::reset, {}, {}, false, false},
};

TEST(controller_properties, status_follows_configuration) {
    for (const row& r : rows) {
        SCOPED_TRACE(r.sentence);
        controller_properties p(false);
        p.write_cc(r.before);
        p.settle();
        EXPECT_EQ(p.write_cc(r.now), r.what);
        EXPECT_EQ(p.cc().value, r.now.value);
        EXPECT_EQ(p.csts().value, r.while_busy.value);
        EXPECT_EQ(p.ready(), r.ready_while_busy);
        p.settle();
        EXPECT_EQ(p.csts().value, r.settled.value);
        EXPECT_EQ(p.ready(), r.ready);
    }
}

TEST(controller_properties, a_discovery_controller_needs_no_entry_sizes) {
    controller_properties p(true);
    p.write_cc(no_entry_sizes);
    p.settle();
    EXPECT_TRUE(p.ready());
}

TEST(controller_properties, are_active_between_enable_and_shutdown) {
    controller_properties p(false);
    EXPECT_FALSE(p.is_active());
    p.write_cc(enabled);
    EXPECT_FALSE(p.is_active()) << "CSTS.RDY is not set yet";
    p.settle();
    EXPECT_TRUE(p.is_active());
    p.write_cc(shutting_down);
    EXPECT_FALSE(p.is_active());
    p.settle();
    EXPECT_FALSE(p.is_active());
}

TEST(controller_properties, are_never_ready_after_the_end) {
    controller_properties p(false);
    p.write_cc(enabled);
    p.end();
    p.settle();
    EXPECT_FALSE(p.ready());
}

}  // namespace
}  // namespace causeway::nvmf::test
