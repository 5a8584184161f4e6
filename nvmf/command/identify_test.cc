// SPDX-License-Identifier: Apache-2.0
#include "nvmf/testing/target_fixture.h"

#include <numeric>

namespace causeway::nvmf::test {
namespace {

using nvme::cns;

class identify_command : public testing::Test {
  protected:
    nvmf_fixture w;
    subsystem* s = nullptr;
    host h;

    void SetUp() override {
        subsystem_options o;
        o.nqn = subsystem_nqn;
        o.allow_any_host = true;
        o.serial_number = "SN42";
        o.model_number = "Test disk";
        o.max_namespaces = 200;
        s = *w.run(w.target.create_subsystem(o));
        ASSERT_TRUE(w.run(s->listeners().add(here)));
        h = w.make_host(host_a, 0);
    }

    /// A device that stores nothing, of any shape.
    void add_shaped(bdev::device_geometry g, bdev::device_capabilities c = {}, std::uint32_t nsid = 1,
                    std::optional<std::uint64_t> allocated = {}) {
        struct shaped final : bdev::device {
            using device::device;
            std::string_view product_name() const noexcept override { return "shape"; }
            std::optional<std::uint64_t> allocated_blocks() override { return allocated; }
            void submit(bdev::io& i) noexcept override { i.complete(sc::success); }
            std::optional<std::uint64_t> allocated;
        };
        const std::string name = "shape" + std::to_string(nsid);
        auto device = std::make_shared<shaped>(w.sim.group(), name, g, c, bdev::uuid_of_name(name));
        device->allocated = allocated;
        ASSERT_TRUE(w.devices.add(std::move(device)));
        w.add(*s, name, nsid);
    }
    nvme::identify_namespace ns(std::uint32_t nsid) {
        return h.admin->call(identify(cns::ns, nsid)).page<nvme::identify_namespace>();
    }
};

/// By hand from "Identify Controller Data Structure", offsets in decimal as the tables have them.
TEST_F(identify_command, controller_page_byte_by_byte) {
    const capsule& c = h.admin->call(identify(cns::controller));
    ASSERT_EQ(c.status(), sc::success);
    ASSERT_EQ(c.data.size(), 4096u);
    struct {
        const char* field;
        std::size_t offset;
        bytes value;
    } const rows[] = {
        {"VID, SSVID: not a PCI device", 0, filled(4, 0)},
        {"SN, padded with spaces", 4, raw(std::to_array("SN42                "))},
        {"MN", 24, raw(std::to_array("Test disk                               "))},
        {"RAB", 72, {std::byte{6}}},
        {"CMIC: several ports, several controllers", 76, {std::byte{3}}},
        {"MDTS: 128 KiB in pages of 4 KiB", 77, {std::byte{5}}},
        {"CNTLID", 78, raw(nvme::le16(h.cntlid))},
        {"VER 2.0", 80, raw(nvme::le32(0x20000))},
        {"OAES: namespace attribute notices", 92, raw(nvme::le32(0x100))},
        {"CTRATT: 128-bit host identifiers", 96, raw(nvme::le32(1))},
        {"CNTRLTYPE: I/O controller", 111, {std::byte{1}}},
        {"OACS: none", 256, filled(2, 0)},
        {"ACL, AERL: 4 each, 0's based", 258, {std::byte{3}, std::byte{3}}},
        {"FRMW: one slot, read-only", 260, {std::byte{3}}},
        {"LPA: effects, extended data, supported pages", 261, {std::byte{0x26}}},
        {"ELPE: 64, 0's based", 262, {std::byte{63}}},
        {"KAS: 10 s", 320, raw(nvme::le16(100))},
        {"CQT: not reported", 386, filled(2, 0)},
        {"SQES, CQES: 64 and 16 bytes", 512, {std::byte{0x66}, std::byte{0x44}}},
        {"MAXCMD", 514, raw(nvme::le16(128))},
        {"NN", 516, raw(nvme::le32(200))},
        {"ONCS: Compare, DSM, Write Zeroes, Select", 520, raw(nvme::le16(0x1d))},
        {"FUSES: Compare and Write", 522, raw(nvme::le16(1))},
        {"FNA", 524, {std::byte{0}}},
        {"VWC: no cache; Flush of all is supported", 525, {std::byte{6}}},
        {"AWUN, AWUPF: one block", 526, filled(4, 0)},
        {"ACWU: one block", 532, filled(2, 0)},
        {"CDFS: no Copy while there is no device", 534, filled(2, 0)},
        {"SGLS", 536, raw(nvme::le32(0x100001))},
        {"IOCCSZ: 64 bytes and 4096 of data", 1792, raw(nvme::le32(260))},
        {"IORCSZ", 1796, raw(nvme::le32(1))},
        {"ICDOFF", 1800, filled(2, 0)},
        {"FCATT: dynamic controllers", 1802, {std::byte{0}}},
        {"MSDBD", 1803, {std::byte{1}}},
        {"OFCS: Disconnect", 1804, raw(nvme::le16(1))},
    };
    for (const auto& row : rows) {
        // Text rows carry their terminating NUL, which is not in the field.
        const std::size_t n = row.value.size() > 16 ? row.value.size() - 1 : row.value.size();
        EXPECT_EQ(bytes(c.data.begin() + row.offset, c.data.begin() + row.offset + n),
                  bytes(row.value.begin(), row.value.begin() + n))
            << row.field;
    }
    EXPECT_STREQ(reinterpret_cast<const char*>(&c.data[768]), subsystem_nqn.c_str());
    EXPECT_EQ(std::string(reinterpret_cast<const char*>(&c.data[64]), 5), "0.1.0");
    const auto after_psds = std::accumulate(c.data.begin() + 3072, c.data.end(), 0,
                                            [](int sum, std::byte b) { return sum + std::to_integer<int>(b); });
    EXPECT_EQ(after_psds, 0) << "nothing vendor specific";
}

TEST_F(identify_command, says_that_there_is_a_write_cache_where_a_device_has_one) {
    add_shaped({.block_size = 512, .blocks = 100}, {.volatile_write_cache = true});
    EXPECT_EQ(h.admin->call(identify(cns::controller)).page<nvme::identify_controller>().vwc, 7u);
}

TEST_F(identify_command, namespace_page_follows_the_device) {
    bdev::device_geometry g;
    g.block_size = 512;
    g.blocks = 1000;
    g.physical_block_size = 4096;
    g.optimal_write_blocks = 64;
    g.unmap_granularity_blocks = 128;
    g.unmap_alignment_blocks = 32;
    g.atomic_compare_and_write_blocks = 16;
    add_shaped(g);
    const auto id = ns(1);
    EXPECT_EQ(id.nsze, 1000u);
    EXPECT_EQ(id.ncap, 1000u);
    EXPECT_EQ(id.nuse, 1000u);
    EXPECT_EQ(id.nlbaf, 0u);
    EXPECT_EQ(id.flbas, 0u);
    EXPECT_EQ(id.lbaf[0].lbads, 9u);
    EXPECT_EQ(id.lbaf[0].ms, 0u);
    EXPECT_EQ(id.nmic, 1u);
    EXPECT_EQ(id.nsfeat, 0x12u) << "atomic fields, optimal I/O fields";
    EXPECT_EQ(id.nawun, 7u) << "0's based";
    EXPECT_EQ(id.nawupf, 7u);
    EXPECT_EQ(id.nacwu, 15u);
    EXPECT_EQ(id.npwg, 7u);
    EXPECT_EQ(id.npwa, 7u);
    EXPECT_EQ(id.npdg, 127u);
    EXPECT_EQ(id.npda, 31u);
    EXPECT_EQ(id.nows, 63u);
    EXPECT_EQ(id.noiob, 64u) << "not 0's based";
    EXPECT_EQ(id.nsattr, 0u);
    EXPECT_EQ(id.dlfeat, 0u);
    EXPECT_EQ(std::memcmp(id.nguid, bdev::uuid_of_name("shape1").data(), 16), 0) << "the device's UUID";
}

TEST_F(identify_command, what_deallocated_blocks_read_as_is_the_devices) {
    struct {
        const char* sentence;
        bdev::device_capabilities can;
        std::uint8_t dlfeat;
    } const rows[] = {
        {"nothing is said of a device that says nothing", {}, 0},
        {"zeroes", {.unmap_reads_zeroes = true}, 1},
        {"Write Zeroes deallocates on demand", {.write_zeroes_deallocates = true}, 8},
        {"both", {.unmap_reads_zeroes = true, .write_zeroes_deallocates = true}, 9},
    };
    std::uint32_t nsid = 0;
    for (const auto& row : rows) {
        SCOPED_TRACE(row.sentence);
        add_shaped({.block_size = 512, .blocks = 8}, row.can, ++nsid);
        EXPECT_EQ(ns(nsid).dlfeat, row.dlfeat);
    }
}

TEST_F(identify_command, a_device_that_counts_what_is_allocated_is_thin_provisioned) {
    struct {
        const char* sentence;
        std::optional<std::uint64_t> allocated;
        bool thin;
        std::uint64_t nuse;
    } const rows[] = {
        {"one that does not count", std::nullopt, false, 1000},
        {"nothing is allocated", 0, true, 0},
        {"a part", 300, true, 300},
        {"more than there is, because the device has shrunk since", 2000, true, 1000},
    };
    std::uint32_t nsid = 0;
    for (const auto& row : rows) {
        SCOPED_TRACE(row.sentence);
        add_shaped({.block_size = 512, .blocks = 1000}, {}, ++nsid, row.allocated);
        const auto id = ns(nsid);
        EXPECT_EQ(id.nsfeat, row.thin ? 0x13u : 0x12u);
        EXPECT_EQ(id.nsze, 1000u);
        EXPECT_EQ(id.ncap, 1000u);
        EXPECT_EQ(id.nuse, row.nuse);
    }
}

TEST_F(identify_command, optimal_sizes_stay_within_one_command) {
    add_shaped({.block_size = 4096, .blocks = 1 << 20, .optimal_write_blocks = 1024});  // 4 MiB, MDTS is 128 KiB
    EXPECT_EQ(ns(1).nows, 31u);
    EXPECT_EQ(ns(1).noiob, 32u);
    add_shaped({.block_size = 4096, .blocks = 1 << 20}, {}, 2);
    EXPECT_EQ(ns(2).nows, 31u);
    EXPECT_EQ(ns(2).noiob, 0u) << "no boundary where the device has none";
    add_shaped({.block_size = 512, .blocks = 1 << 20, .optimal_write_blocks = 24}, {}, 3);
    EXPECT_EQ(ns(3).noiob, 0u) << "boundaries are powers of two";
}

TEST_F(identify_command, atomic_sizes_and_boundaries_are_the_devices_where_it_has_some) {
    struct {
        const char* sentence;
        bdev::device_geometry shape;
        std::uint16_t nawun, nawupf, noiob;
    } const rows[] = {
        {"a block, if nothing is said", {}, 0, 0, 0},
        {"else a physical block", {.physical_block_size = 4096}, 7, 7, 0},
        {"or what the device says", {.atomic_write_blocks = 64, .atomic_write_power_fail_blocks = 8}, 63, 7, 0},
        {"which may be less than a physical block for a loss of power",
         {.physical_block_size = 4096, .atomic_write_blocks = 16, .atomic_write_power_fail_blocks = 1},
         15,
         0,
         0},
        {"what survives that is never seen half", {.atomic_write_power_fail_blocks = 8}, 7, 7, 0},
        {"more than there are numbers for", {.atomic_write_blocks = 1 << 20}, 65535, 0, 0},
        {"a boundary of the device's own", {.optimal_write_blocks = 8, .optimal_io_boundary_blocks = 128}, 0, 0, 128},
        {"also one beyond MDTS", {.optimal_io_boundary_blocks = 8192}, 0, 0, 8192},
        {"one that there is no number for has a nearer one", {.optimal_io_boundary_blocks = 1 << 20}, 0, 0, 32768},
        {"one that is no power of two is passed on", {.optimal_io_boundary_blocks = 24}, 0, 0, 24},
        {"unless there is no number for it", {.optimal_io_boundary_blocks = 100'000}, 0, 0, 0},
        {"optimal writes that are longer than a command say where", {.optimal_write_blocks = 1024}, 0, 0, 256},
        {"unless they are of no power of two", {.optimal_write_blocks = 300}, 0, 0, 0},
    };
    std::uint32_t nsid = 0;
    for (const auto& row : rows) {
        SCOPED_TRACE(row.sentence);
        bdev::device_geometry g = row.shape;
        g.block_size = 512;
        g.blocks = 1 << 20;
        add_shaped(g, {}, ++nsid);
        const auto id = ns(nsid);
        EXPECT_EQ(id.nawun, row.nawun);
        EXPECT_EQ(id.nawupf, row.nawupf);
        EXPECT_EQ(id.noiob, row.noiob);
    }
}

TEST_F(identify_command, boundaries_that_no_atomic_write_crosses) {
    struct {
        const char* sentence;
        std::uint32_t blocks;
        std::uint16_t nabsn;
    } const rows[] = {
        {"a device that has none", 0, 0},
        {"one at each object", 8192, 8191},
        {"one at each block matters to nothing", 1, 0},
        {"one that there is no number for has a nearer one", 1 << 17, 65535},
    };
    std::uint32_t nsid = 0;
    for (const auto& row : rows) {
        SCOPED_TRACE(row.sentence);
        add_shaped({.block_size = 512, .blocks = 1 << 20, .atomic_boundary_blocks = row.blocks}, {}, ++nsid);
        EXPECT_EQ(ns(nsid).nabsn, row.nabsn);
        EXPECT_EQ(ns(nsid).nabspf, row.nabsn);
    }
}

TEST_F(identify_command, copies_have_the_limits_of_the_device_and_sixteen_sources) {
    const bdev::device_capabilities copies = {.ops = bdev::ops({bdev::op::copy})};
    bdev::device_geometry g = {.block_size = 512, .blocks = 1 << 20};
    g.copy_source_blocks = 128, g.copy_blocks = 1024, g.copy_sources = 8;
    add_shaped(g, copies, 1);
    g.copy_source_blocks = 1 << 20, g.copy_blocks = 1 << 24, g.copy_sources = 256;
    add_shaped(g, copies, 2);
    add_shaped(g, {}, 3);
    struct {
        std::uint32_t nsid;
        std::uint16_t mssrl;
        std::uint32_t mcl;
        std::uint8_t msrc;
    } const rows[] = {{1, 128, 1024, 7}, {2, 65535, 1 << 24, 15}, {3, 0, 0, 0}};
    for (const auto& row : rows) {
        const capsule& c = h.admin->call(identify(cns::ns, row.nsid));
        // By hand from "Identify Namespace Data Structure": MSSRL at 74, MCL at 76, MSRC at 80.
        EXPECT_EQ(bytes(c.data.begin() + 74, c.data.begin() + 76), raw(nvme::le16(row.mssrl)));
        EXPECT_EQ(bytes(c.data.begin() + 76, c.data.begin() + 80), raw(nvme::le32(row.mcl)));
        EXPECT_EQ(c.data[80], std::byte{row.msrc}) << "0's based";
    }
}

TEST_F(identify_command, a_read_only_device_is_a_write_protected_namespace) {
    add_shaped({.block_size = 512, .blocks = 8}, {.read_only = true});
    EXPECT_EQ(ns(1).nsattr, 1u);
    const auto independent =
        h.admin->call(identify(cns::ns_independent, 1)).page<nvme::identify_namespace_independent>();
    EXPECT_EQ(independent.nsattr, 1u);
    EXPECT_EQ(independent.nmic, 1u);
    EXPECT_EQ(independent.nstat, 1u);
}

TEST_F(identify_command, a_free_nsid_is_a_page_of_zeroes_and_an_invalid_one_an_error) {
    for (const cns page : {cns::ns, cns::csi_ns, cns::ns_independent}) {
        SCOPED_TRACE(static_cast<int>(page));
        const capsule& free = h.admin->call(identify(page, 200));
        EXPECT_EQ(free.status(), sc::success);
        EXPECT_EQ(free.data, filled(4096, 0));
        for (const std::uint32_t nsid : {0u, 201u, 0xfffffffeu, 0xffffffffu})
            EXPECT_TRUE(h.admin->call(identify(page, nsid)).status().is(sc::invalid_namespace_or_format)) << nsid;
    }
    for (const std::uint32_t nsid : {0u, 1u, 201u, 0xffffffffu})
        EXPECT_TRUE(h.admin->call(identify(cns::ns_id_descriptors, nsid)).status().is(sc::invalid_namespace_or_format));
}

TEST_F(identify_command, lists_active_namespaces_above_a_number) {
    for (const std::uint32_t nsid : {1u, 5u, 200u})
        add_shaped({.block_size = 512, .blocks = 8}, {}, nsid);
    struct {
        std::uint32_t above;
        std::vector<std::uint32_t> list;
    } const rows[] = {{0, {1, 5, 200}}, {1, {5, 200}}, {4, {5, 200}}, {199, {200}}, {200, {}}, {0xfffffffd, {}}};
    for (const cns page : {cns::active_ns_list, cns::csi_active_ns_list}) {
        for (const auto& row : rows) {
            const auto list = h.admin->call(identify(page, row.above)).page<nvme::namespace_list>();
            std::vector<std::uint32_t> found;
            for (const std::uint32_t nsid : list.nsid)
                if (nsid)
                    found.push_back(nsid);
            EXPECT_EQ(found, row.list) << row.above;
        }
        for (const std::uint32_t above : {0xfffffffeu, 0xffffffffu})
            EXPECT_TRUE(h.admin->call(identify(page, above)).status().is(sc::invalid_namespace_or_format));
    }
}

TEST_F(identify_command, describes_a_namespace_by_all_its_names) {
    w.make_memory("disk");
    namespace_params p;
    p.bdev_name = "disk";
    p.eui64 = {{1, 2, 3, 4, 5, 6, 7, 8}};
    ASSERT_TRUE(w.run(s->namespaces().add(p)));
    const capsule& c = h.admin->call(identify(cns::ns_id_descriptors, 1));
    const auto uuid = bdev::uuid_of_name("disk");
    bytes expected;
    const auto put = [&](std::initializer_list<unsigned> list) {
        for (unsigned b : list)
            expected.push_back(static_cast<std::byte>(b));
    };
    put({1, 8, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8});  // EUI64
    for (const unsigned type : {2u, 3u}) {      // NGUID, UUID
        put({type, 16, 0, 0});
        for (const std::uint8_t b : uuid)
            put({b});
    }
    put({4, 1, 0, 0, 0});  // CSI: NVM
    EXPECT_EQ(bytes(c.data.begin(), c.data.begin() + static_cast<std::ptrdiff_t>(expected.size())), expected);
    EXPECT_EQ(bytes(c.data.begin() + static_cast<std::ptrdiff_t>(expected.size()), c.data.end()),
              bytes(4096 - expected.size()));
}

TEST_F(identify_command, pages_of_the_nvm_command_set) {
    const auto id = h.admin->call(identify(cns::csi_controller)).page<nvme::identify_controller_nvm>();
    EXPECT_EQ(id.wzsl, 12u);
    EXPECT_EQ(id.dmrsl, 2097152u);
    EXPECT_EQ(id.dmrl, 0u);
    EXPECT_EQ(id.vsl, 0u);
    const auto sets = h.admin->call(identify(cns::command_set_combinations)).page<nvme::command_set_combinations>();
    EXPECT_EQ(sets.vector[0], 1u);
    EXPECT_EQ(sets.vector[1], 0u);
    for (const cns page : {cns::csi_ns, cns::csi_controller, cns::csi_active_ns_list}) {
        nvme::command zoned = identify(page, 1);
        zoned.cdw11 = 2u << 24;
        EXPECT_TRUE(h.admin->call(zoned).status().is(sc::invalid_field));
    }
}

TEST_F(identify_command, has_no_other_pages) {
    for (unsigned page = 0; page < 256; ++page) {
        const bool known = page <= 3 || (page >= 5 && page <= 8) || page == 0x1c;
        if (!known) {
            EXPECT_TRUE(h.admin->call(identify(static_cast<cns>(page), 1)).status().is(sc::invalid_field)) << page;
        }
    }
}

TEST_F(identify_command, discovery_controllers_have_one_page) {
    host d = w.make_host(host_a, 0, std::string(nvme::discovery_nqn));
    const capsule& c = d.admin->call(identify(cns::controller));
    const auto id = c.page<nvme::identify_controller>();
    EXPECT_EQ(id.cntrltype, 2u);
    EXPECT_EQ(id.oaes, 0x80000000u);
    EXPECT_EQ(id.nn, 0u);
    EXPECT_EQ(id.oncs, 0u);
    EXPECT_EQ(id.sqes, 0u);
    EXPECT_EQ(id.mdts, 5u);
    EXPECT_EQ(id.maxcmd, 128u);
    EXPECT_EQ(std::string(id.subnqn), nvme::discovery_nqn);
    for (unsigned page = 0; page < 256; page += page ? 1 : 2)  // all but 01h
        EXPECT_TRUE(d.admin->call(identify(static_cast<cns>(page), 1)).status().is(sc::invalid_field)) << page;
}

TEST_F(identify_command, two_controllers_of_a_subsystem_agree_on_everything_but_their_number) {
    add_shaped({.block_size = 512, .blocks = 8});
    host other = w.make_host(host_b, 0);
    EXPECT_NE(other.cntlid, h.cntlid);
    auto mine = h.admin->call(identify(cns::controller)).page<nvme::identify_controller>();
    auto theirs = other.admin->call(identify(cns::controller)).page<nvme::identify_controller>();
    mine.cntlid = theirs.cntlid;
    EXPECT_EQ(raw(mine), raw(theirs));
    EXPECT_EQ(h.admin->call(identify(cns::ns, 1)).data, other.admin->call(identify(cns::ns, 1)).data);
}

}  // namespace
}  // namespace causeway::nvmf::test
