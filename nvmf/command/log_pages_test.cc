// SPDX-License-Identifier: Apache-2.0
#include "nvmf/testing/target_fixture.h"

namespace causeway::nvmf::test {
namespace {

using nvme::lid;

class log_page_command : public testing::Test {
  protected:
    nvmf_fixture w;
    subsystem& s = w.make_subsystem();
    std::shared_ptr<bdev::memory_device> disk = w.make_memory("disk");
    host h;

    void SetUp() override {
        w.add(s, "disk");
        h = w.make_host(host_a, 1);
    }
    const capsule& get(lid id, std::uint32_t length, std::uint64_t offset = 0, bool rae = false) {
        return h.admin->call(get_log_page(id, length, offset, rae));
    }
};

TEST_F(log_page_command, supported_pages_are_those_that_answer) {
    host d = w.make_host(host_a, 0, std::string(nvme::discovery_nqn));
    for (host* each : {&h, &d}) {
        const auto log =
            each->admin->call(get_log_page(lid::supported_log_pages, 1024)).page<nvme::supported_log_pages>();
        std::vector<unsigned> supported;
        for (unsigned id = 0; id < 256; ++id) {
            const capsule& c = each->admin->call(get_log_page(static_cast<lid>(id), 4));
            if (log.page[id] & 1) {
                supported.push_back(id);
                EXPECT_EQ(c.status(), sc::success) << id;
            } else {
                EXPECT_TRUE(c.status().is(sc::invalid_log_page)) << id;
            }
        }
        if (each == &h)
            EXPECT_EQ(supported, (std::vector<unsigned>{0, 1, 2, 3, 4, 5, 0x12, 0x13, 0x80}));
        else
            EXPECT_EQ(supported, (std::vector<unsigned>{0, 1, 5, 0x12, 0x13, 0x70}));
    }
}

TEST_F(log_page_command, lengths_and_offsets_are_checked_to_the_byte) {
    struct {
        const char* sentence;
        std::uint32_t length;
        std::uint64_t offset;
        status answer;
    } const rows[] = {
        {"a dword", 4, 0, sc::success},
        {"the whole page", 512, 0, sc::success},
        {"more than the page", 8192, 0, sc::success},
        {"as much as one command carries", 131072, 0, sc::success},
        {"a dword more than that", 131076, 0, sc::invalid_field},
        {"16 GiB", 0, 0, sc::invalid_field},
        {"from the middle", 256, 256, sc::success},
        {"the last dword", 4, 508, sc::success},
        {"nothing is left at the end of the page", 4, 512, sc::success},
        {"but beyond it is an error", 4, 516, sc::invalid_field},
        {"far beyond it", 4, 0xfffffffffffffffc, sc::invalid_field},
        {"an offset in the middle of a dword", 4, 2, sc::invalid_field},
    };
    for (const auto& row : rows) {
        SCOPED_TRACE(row.sentence);
        const capsule& c = get(lid::smart, row.length, row.offset);
        EXPECT_TRUE(c.status().is(row.answer));
        if (row.answer.ok()) {
            EXPECT_EQ(c.data.size(), row.length);
        }
    }
}

TEST_F(log_page_command, parts_make_a_whole_and_zeroes_follow_it) {
    const bytes whole = get(lid::commands_effects, 4096).data;
    bytes parts;
    for (std::uint32_t at = 0; at < 4096; at += 1364) {
        const bytes& part = get(lid::commands_effects, std::min(1364u, 4096 - at), at).data;
        parts.insert(parts.end(), part.begin(), part.end());
    }
    EXPECT_EQ(parts, whole);
    const bytes longer = get(lid::commands_effects, 5000, 100).data;
    EXPECT_TRUE(std::equal(longer.begin(), longer.begin() + 3996, whole.begin() + 100));
    EXPECT_EQ(bytes(longer.begin() + 3996, longer.end()), filled(1004, 0));
}

TEST_F(log_page_command, offsets_are_bytes_not_indices) {
    nvme::command c = get_log_page(lid::error_information, 64);
    c.cdw14 = 1u << 23;
    EXPECT_TRUE(h.admin->call(c).status().is(sc::invalid_field));
}

TEST_F(log_page_command, no_page_is_about_one_namespace) {
    nvme::command c = get_log_page(lid::smart, 512);
    c.nsid = 1;
    EXPECT_TRUE(h.admin->call(c).status().is(sc::invalid_field));
    c.nsid = 0xffffffff;
    EXPECT_EQ(h.admin->call(c).status(), sc::success);
}

TEST_F(log_page_command, effects_list_what_runs_and_nothing_else) {
    const auto log = get(lid::commands_effects, 4096).page<nvme::commands_effects_log>();
    for (unsigned opcode = 0; opcode < 256; ++opcode) {
        if (!(log.admin[opcode] & 1)) {
            EXPECT_TRUE(h.admin->call(command(static_cast<std::uint8_t>(opcode))).status().is(sc::invalid_opcode))
                << opcode;
        }
        if (!(log.io[opcode] & 1)) {
            EXPECT_TRUE(
                h.queues[0]->call(command(static_cast<std::uint8_t>(opcode), 1)).status().is(sc::invalid_opcode))
                << opcode;
        }
    }
    for (const unsigned admin : {0x02u, 0x06u, 0x08u, 0x09u, 0x0au, 0x0cu, 0x18u, 0x7fu})
        EXPECT_EQ(log.admin[admin], 1u) << admin;
    for (const unsigned changing : {0x00u, 0x01u, 0x08u, 0x09u, 0x19u})
        EXPECT_EQ(log.io[changing], 3u) << changing;
    for (const unsigned reading : {0x02u, 0x05u, 0x0cu})
        EXPECT_EQ(log.io[reading], 1u) << reading;
}

TEST_F(log_page_command, smart_counts_what_the_host_has_done) {
    auto& q = *h.queues[0];
    for (int i = 0; i < 3; ++i)
        q.call_for(io(nvme::io_opcode::read, 1, 0, 200), 200 * 512);
    q.call(io(nvme::io_opcode::write, 1, 0, 1), filled(512, 1));
    q.call(io(nvme::io_opcode::write_zeroes, 1, 0, 1));
    q.call_for(io(nvme::io_opcode::read, 1, 5000, 1), 512);  // beyond the end
    const auto log = get(lid::smart, 512).page<nvme::smart_log>();
    EXPECT_EQ(log.host_read_commands.low, 3u);
    EXPECT_EQ(log.host_write_commands.low, 2u);
    EXPECT_EQ(log.data_units_read.low, 1u) << "600 blocks of 512 bytes, in thousands, rounded up";
    EXPECT_EQ(log.data_units_written.low, 1u);
    EXPECT_EQ(log.error_log_entries.low, 1u);
    EXPECT_EQ(log.critical_warning, 0u);
    EXPECT_EQ(log.available_spare, 100u);
    EXPECT_GT(log.composite_temperature, 273u);

    q.drop();
    EXPECT_TRUE(w.until([&] { return q.gone; }));
    EXPECT_EQ(get(lid::smart, 512).page<nvme::smart_log>().host_read_commands.low, 3u) << "queues that are gone count";
}

TEST_F(log_page_command, smart_tells_the_time) {
    w.pass(std::chrono::hours(5));
    EXPECT_EQ(get(lid::smart, 512).page<nvme::smart_log>().power_on_hours.low, 5u);
}

TEST_F(log_page_command, firmware_has_one_slot) {
    const auto log = get(lid::firmware_slot, 512).page<nvme::firmware_slot_log>();
    EXPECT_EQ(log.afi, 1u);
    EXPECT_EQ(std::string(log.frs[0], 5), "0.1.0");
    EXPECT_EQ(raw(log.frs[1]), filled(8, 0));
}

TEST_F(log_page_command, errors_say_where) {
    auto wrong = io(nvme::io_opcode::write, 1, 0, 1);
    wrong.cdw12 = wrong.cdw12 | 1u << 20;  // a directive
    const capsule& refused = h.queues[0]->call(wrong, filled(512, 0));
    EXPECT_TRUE(refused.status().more());
    const capsule& beyond = h.queues[0]->call_for(io(nvme::io_opcode::read, 1, 4096, 1), 512);
    h.admin->call(identify(static_cast<nvme::cns>(0x55), 9));

    const auto log = get(lid::error_information, 64 * 64).page<std::array<nvme::error_information_entry, 64>>();
    EXPECT_EQ(log[0].error_count, 3u);
    EXPECT_EQ(log[0].sqid, 0u);
    EXPECT_EQ(log[0].nsid, 9u);
    EXPECT_EQ(log[0].parameter_error_location, 40u) << "CNS";
    EXPECT_EQ(log[0].trtype, 254u);
    EXPECT_EQ(log[1].error_count, 2u);
    EXPECT_EQ(log[1].sqid, 1u);
    EXPECT_EQ(log[1].cid, beyond.command.cid);
    EXPECT_EQ(log[1].lba, 4096u);
    EXPECT_EQ(log[1].nsid, 1u);
    EXPECT_TRUE(status::from_word(log[1].status_word).is(sc::lba_out_of_range));
    EXPECT_EQ(log[1].parameter_error_location, 40u) << "SLBA";
    EXPECT_EQ(log[2].error_count, 1u);
    EXPECT_EQ(log[2].cid, refused.command.cid);
    EXPECT_EQ(log[2].parameter_error_location, 4u << 8 | 50u) << "DTYPE: byte 50, bit 4";
    EXPECT_EQ(log[2].status_word, refused.status().to_word());
    EXPECT_EQ(log[3].error_count, 0u);
}

TEST_F(log_page_command, errors_are_the_latest_64) {
    for (int i = 0; i < 100; ++i)
        h.queues[0]->call(command(0xee, 1));
    const auto log = get(lid::error_information, 64 * 64).page<std::array<nvme::error_information_entry, 64>>();
    for (unsigned i = 0; i < 64; ++i)
        EXPECT_EQ(log[i].error_count, 100u - i);
}

TEST_F(log_page_command, errors_of_the_device_are_there_too) {
    auto bad = w.make_faulty("bad");
    w.add(s, "bad", 2);
    bad->add_rule({.status = sc::unrecovered_read.with_dnr()});
    const capsule& c = h.queues[0]->call_for(io(nvme::io_opcode::read, 2, 77, 1), 512);
    EXPECT_EQ(c.status(), sc::unrecovered_read.with_dnr().with_more());
    const auto e = get(lid::error_information, 64).page<nvme::error_information_entry>();
    EXPECT_EQ(e.lba, 77u);
    EXPECT_EQ(e.parameter_error_location, 0xffffu) << "no field of the command is at fault";
}

TEST_F(log_page_command, commands_that_were_taken_back_are_no_errors) {
    auto& event = h.admin->send(admin(nvme::admin_opcode::async_event_request));
    h.admin->call(abort(0, event.command.cid));
    EXPECT_EQ(event.status(), sc::aborted_by_request);
    EXPECT_EQ(get(lid::error_information, 64).page<nvme::error_information_entry>().error_count, 0u);
}

TEST_F(log_page_command, each_controller_has_its_own_errors) {
    host other = w.make_host(host_b, 0);
    h.queues[0]->call(command(0xee, 1));
    EXPECT_EQ(
        other.admin->call(get_log_page(lid::error_information, 64)).page<nvme::error_information_entry>().error_count,
        0u);
}

}  // namespace
}  // namespace causeway::nvmf::test
