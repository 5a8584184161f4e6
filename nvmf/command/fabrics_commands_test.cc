// SPDX-License-Identifier: Apache-2.0
#include "nvmf/command/fabrics_commands.h"

#include "nvmf/testing/target_fixture.h"

#include <bit>

namespace causeway::nvmf::test {
namespace {

enum class on { new_connection, admin_queue, io_queue };

nvme::command of_type(std::uint8_t type) {
    nvme::fabrics_command c{};
    c.opcode = nvme::fabrics_opcode;
    c.type = type;
    return std::bit_cast<nvme::command>(c);
}

nvme::command disconnect(std::uint16_t record_format = 0) {
    auto c = std::bit_cast<nvme::disconnect_command>(of_type(nvme::to_underlying(nvme::fctype::disconnect)));
    c.recfmt = record_format;
    return std::bit_cast<nvme::command>(c);
}

nvme::command connect_with_record_format(std::uint16_t format) {
    auto c = std::bit_cast<nvme::connect_command>(connect(0));
    c.recfmt = format;
    return std::bit_cast<nvme::command>(c);
}

const nvme::command get_cap = property_get(nvme::property::cap);
const nvme::command set_cc =
    property_set(nvme::property::cc, nvme::cc().set_iosqes(6).set_iocqes(4).set_en(true).value);

const status too_early = sc::command_sequence_error;
const status too_late = sc::command_sequence_error.with_dnr();
const status wrong_queue = sc::invalid_queue_type.with_dnr();
const status unknown = sc::invalid_opcode.with_dnr();
const status wrong_format = sc::connect_incompatible_format.with_dnr();

struct row {
    const char* sentence;
    on queue;
    nvme::command command;
    status expected;
};

const row rows[] = {
    {"Connect opens a connection", on::new_connection, connect(0), sc::success},
    {"Connect has one record format", on::new_connection, connect_with_record_format(1), wrong_format},
    {"an admin queue connects once", on::admin_queue, connect(0), too_late},
    {"an I/O queue connects once", on::io_queue, connect(1), too_late},
    {"a second Connect is too late whatever its record format", on::io_queue, connect_with_record_format(1), too_late},
    {"properties are not read before Connect", on::new_connection, get_cap, too_early},
    {"properties are not written before Connect", on::new_connection, set_cc, too_early},
    {"nothing is disconnected before Connect", on::new_connection, disconnect(), too_early},
    {"an unknown command may be known after Connect", on::new_connection, of_type(0xff), too_early},
    {"an admin queue reads properties", on::admin_queue, get_cap, sc::success},
    {"an admin queue writes properties", on::admin_queue, set_cc, sc::success},
    {"an I/O queue does not read properties", on::io_queue, get_cap, wrong_queue},
    {"an I/O queue does not write properties", on::io_queue, set_cc, wrong_queue},
    {"an I/O queue disconnects", on::io_queue, disconnect(), sc::success},
    {"Disconnect has one record format", on::io_queue, disconnect(1), wrong_format},
    {"an admin queue does not disconnect", on::admin_queue, disconnect(), wrong_queue},
    {"an admin queue does not disconnect, whatever the record format", on::admin_queue, disconnect(1), wrong_queue},
};

class fabrics_command_table : public testing::Test {
  protected:
    /// Its status as sent, without the bit that says that the error log has more.
    status result(on queue, nvme::command c) {
        const bytes data = nvme::is_connect(c) ? raw(connect_data(subsystem_nqn, host_a)) : bytes();
        const host h = w.make_host(host_a, 1);
        connection& q = queue == on::new_connection ? w.connect_to(1) : queue == on::io_queue ? *h.queues[0] : *h.admin;
        return q.call(c, data).status().with_more(false);
    }
    nvmf_fixture w;
    subsystem& s = w.make_subsystem();
};

TEST_F(fabrics_command_table, says_where_and_when_a_command_is_allowed) {
    for (const row& r : rows) {
        SCOPED_TRACE(r.sentence);
        EXPECT_EQ(result(r.queue, r.command), r.expected);
    }
}

TEST_F(fabrics_command_table, has_no_other_commands) {
    const host h = w.make_host(host_a, 1);
    for (unsigned type = 0; type < 256; ++type) {
        const auto t = static_cast<std::uint8_t>(type);
        if (!fabrics_commands[type].name.empty())
            continue;
        SCOPED_TRACE(type);
        EXPECT_EQ(h.admin->call(of_type(t)).status().with_more(false), unknown);
        EXPECT_EQ(h.queues[0]->call(of_type(t)).status().with_more(false), unknown);
    }
}

TEST_F(fabrics_command_table, has_a_command_under_its_own_type) {
    for (unsigned type = 0; type < 256; ++type) {
        if (const fabrics_command& c = fabrics_commands[type]; !c.name.empty()) {
            EXPECT_EQ(c.type, type) << c.name;
            EXPECT_NE(c.run, nullptr) << c.name;
        }
    }
}

}  // namespace
}  // namespace causeway::nvmf::test
