// SPDX-License-Identifier: Apache-2.0
#include "nvmf/testing/target_fixture.h"

namespace causeway::nvmf::test {
namespace {

using nvme::io_opcode;

constexpr std::uint32_t writable = 1, read_only = 2, read_only_without_copy = 3;

struct device_that_succeeds final : bdev::device {
    using device::device;
    std::string_view product_name() const noexcept override { return "succeeds"; }
    void submit(bdev::io& i) noexcept override { i.complete(sc::success); }
};

nvme::command dataset_management(bool deallocate) {
    nvme::command c = io(io_opcode::dataset_management, 0);
    c.cdw10 = 0u;
    c.cdw11 = deallocate ? 4u : 1u;
    c.cdw12 = 0u;
    return c;
}

nvme::command copy() {
    nvme::command c = io(io_opcode::copy, 0);
    c.cdw12 = 0u;
    return c;
}

struct row {
    const char* sentence;
    nvme::command command;
    bytes data;
    status expected;  ///< on a namespace that is read only
};

const status write_protected = sc::namespace_is_write_protected.with_dnr();

const row rows[] = {
    {"a read is served", io(io_opcode::read, 0), bytes(512), sc::success},
    {"a compare is served", io(io_opcode::compare, 0), bytes(512), sc::success},
    {"a verify is served", io(io_opcode::verify, 0), {}, sc::success},
    {"a flush has nothing to do", io(io_opcode::flush, 0), {}, sc::success},
    {"hints about ranges are taken", dataset_management(false), bytes(16), sc::success},
    {"ranges are not deallocated", dataset_management(true), bytes(16), write_protected},
    {"a write is refused", io(io_opcode::write, 0), bytes(512), write_protected},
    {"zeroes are not written either", io(io_opcode::write_zeroes, 0), {}, write_protected},
    {"nothing is copied to it", copy(), bytes(32), write_protected},
};

class namespace_refusals : public testing::Test {
  protected:
    namespace_refusals() {
        add_device("writable", writable, ~0u, false);
        add_device("read only", read_only, ~0u, true);
        add_device("without copy", read_only_without_copy, ~(1u << nvme::to_underlying(bdev::op::copy)), true);
    }
    void add_device(std::string name, std::uint32_t nsid, std::uint32_t ops, bool protect) {
        const bdev::device_geometry g{
            .block_size = 512, .blocks = 100, .copy_source_blocks = 8, .copy_blocks = 8, .copy_sources = 1};
        EXPECT_TRUE(w.devices.add(std::make_shared<device_that_succeeds>(
            w.sim.group(), name, g, bdev::device_capabilities{.ops = ops, .read_only = protect},
            bdev::uuid_of_name(name))));
        w.add(s, name, nsid);
    }
    capsule& call(const row& r, std::uint32_t nsid) {
        nvme::command c = r.command;
        c.nsid = nsid;
        return h.queues[0]->call(c, r.data);
    }
    nvmf_fixture w;
    subsystem& s = w.make_subsystem();
    host h = w.make_host(host_a, 1);
};

TEST_F(namespace_refusals, of_a_read_only_device_refuses_what_changes_content) {
    for (const row& r : rows) {
        SCOPED_TRACE(r.sentence);
        const capsule& c = call(r, read_only);
        EXPECT_EQ(c.status().with_more(false), r.expected);
        EXPECT_EQ(c.refused, !r.expected.ok()) << "before any data moves";
        EXPECT_EQ(call(r, writable).status(), sc::success) << "its neighbour goes on";
    }
}

TEST_F(namespace_refusals, does_not_hide_that_a_command_is_unknown) {
    EXPECT_EQ(call({"", copy(), bytes(32), {}}, read_only_without_copy).status().with_more(false),
              sc::invalid_opcode.with_dnr());
}

TEST_F(namespace_refusals, fails_both_halves_of_a_compare_and_write) {
    capsule& compare = h.queues[0]->send(fused(io(io_opcode::compare, read_only), nvme::fuse::first), bytes(512));
    capsule& write = h.queues[0]->call(fused(io(io_opcode::write, read_only), nvme::fuse::second), bytes(512));
    EXPECT_TRUE(w.until([&] { return compare.answered; }));
    EXPECT_FALSE(compare.status().ok());
    EXPECT_FALSE(write.status().ok());
}

TEST_F(namespace_refusals, shows_in_identify_namespace) {
    const auto attributes = [&](std::uint32_t nsid) {
        return h.admin->call(identify(nvme::cns::ns, nsid)).page<nvme::identify_namespace>().nsattr;
    };
    EXPECT_EQ(attributes(read_only), nvme::nsattr_write_protected);
    EXPECT_EQ(attributes(writable), 0);
}

}  // namespace
}  // namespace causeway::nvmf::test
