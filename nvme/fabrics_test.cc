// SPDX-License-Identifier: Apache-2.0
#include "nvme/fabrics.h"

#include "nvme/testing/golden.h"
#include "nvme/text.h"

#include <gtest/gtest.h>

namespace causeway::nvme {
namespace {

using testing::byte_at;
using testing::image;
using testing::read;
using testing::read_prefix;
using testing::sent;

TEST(connect, command) {
    constexpr image<64> bytes = {
        0x7f, 0x40, 0x01, 0x00,                                               // opcode, PSDT 01b, CID
        0x01,                                                                 // FCTYPE
        0,    0,    0,    0,    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,  // reserved 5-23
        0,    0,    0,    0,    0, 0, 0, 0,                                   // SGL1: offset 0
        0x00, 0x04, 0x00, 0x00,                                               // 1024 bytes
        0,    0,    0,    0x01,                                               // data block, offset
        0x00, 0x00,                                                           // RECFMT
        0x03, 0x00,                                                           // QID
        0x7f, 0x00,                                                           // SQSIZE
        0x04,                                                                 // CATTR: no SQ flow control
        0x00,                                                                 // reserved
        0xc0, 0xd4, 0x01, 0x00,                                               // KATO 120000 ms
        0,    0,    0,    0,    0, 0, 0, 0, 0, 0, 0, 0,                       // reserved 52-63
    };
    const auto c = read<connect_command>(bytes);
    EXPECT_EQ(c.opcode, fabrics_opcode);
    EXPECT_EQ(c.cid, 1);
    EXPECT_EQ(c.type, to_underlying(fctype::connect));
    EXPECT_TRUE(c.sgl.is(sgl_type::data_block, sgl_subtype::offset));
    EXPECT_EQ(c.sgl.as_data_block().length, sizeof(connect_data));
    EXPECT_EQ(c.recfmt, 0);
    EXPECT_EQ(c.qid, 3);
    EXPECT_EQ(c.sqsize, 127);
    EXPECT_EQ(c.cattr, cattr_disable_sq_flow_control);
    EXPECT_EQ(c.kato, 120000u);

    const auto any = read<fabrics_command>(bytes);
    EXPECT_EQ(any.fctype(), fctype::connect);
    EXPECT_EQ(any.specific[2], 3);
}

TEST(connect, data) {
    image<1024> bytes{};
    bytes[0] = 0xa0;
    bytes[15] = 0xaf;
    bytes[16] = bytes[17] = 0xff;
    std::memcpy(&bytes[256], "nqn.2016-06.io.spdk:cnode1", 26);
    std::memcpy(&bytes[512], "nqn.2014-08.org.nvmexpress:uuid:host", 36);
    const auto d = read<connect_data>(bytes);
    EXPECT_EQ(d.hostid[0], 0xa0);
    EXPECT_EQ(d.hostid[15], 0xaf);
    EXPECT_EQ(d.cntlid, cntlid_dynamic);
    EXPECT_EQ(terminated_text(d.subnqn), "nqn.2016-06.io.spdk:cnode1");
    EXPECT_EQ(terminated_text(d.hostnqn), "nqn.2014-08.org.nvmexpress:uuid:host");
}

TEST(connect, response) {
    EXPECT_EQ(connect_success_dw0(0x0042), 0x00000042u);
    EXPECT_EQ(connect_success_dw0(0x0042, authreq_in_band), 0x00020042u);
    EXPECT_EQ(connect_invalid_dw0(iattr::data, offsetof(connect_data, subnqn)), 0x00010100u);
    EXPECT_EQ(connect_invalid_dw0(iattr::command, offsetof(connect_command, qid)), 0x0000002au);

    const auto r = std::bit_cast<connect_response>(std::uint32_t{0x00020042});
    EXPECT_EQ(r.cntlid, 0x42);
    EXPECT_EQ(r.authreq, authreq_in_band);
}

TEST(property, get) {
    constexpr image<64> bytes = {
        0x7f, 0x40, 0x02, 0x00, 0x04, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,  //
        0,    0,    0,    0,    0,    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,  // reserved to 39
        0x01,                                                                       // ATTRIB: 8 bytes
        0,    0,    0,                                                              // reserved
        0x00, 0x00, 0x00, 0x00,                                                     // OFST: CAP
    };
    const auto c = read<property_get_command>(bytes);
    EXPECT_EQ(c.type, to_underlying(fctype::property_get));
    EXPECT_EQ(c.size(), property_size::bytes8);
    EXPECT_EQ(c.ofst, 0u);
}

TEST(property, set) {
    image<64> bytes{};
    bytes[0] = 0x7f;
    bytes[4] = 0x00;   // FCTYPE
    bytes[40] = 0x00;  // 4 bytes
    bytes[44] = 0x14;  // OFST: CC
    bytes[48] = 0x01;  // value 460001h
    bytes[50] = 0x46;
    const auto c = read<property_set_command>(bytes);
    EXPECT_EQ(c.type, to_underlying(fctype::property_set));
    EXPECT_EQ(c.size(), property_size::bytes4);
    EXPECT_EQ(c.ofst, 0x14u);
    EXPECT_EQ(c.value, 0x460001u);
}

TEST(authentication, send) {
    image<64> bytes{};
    bytes[0] = 0x7f;
    bytes[4] = 0x05;
    bytes[41] = bytes[42] = 0x01;
    bytes[43] = 0xe9;
    bytes[45] = 0x10;
    const auto c = read<authentication_command>(bytes);
    EXPECT_EQ(c.type, to_underlying(fctype::authentication_send));
    EXPECT_EQ(c.spsp0, 1);
    EXPECT_EQ(c.spsp1, 1);
    EXPECT_EQ(c.secp, secp_nvme);
    EXPECT_EQ(c.length, 4096u);
}

TEST(fctype, tells_the_way_of_its_data) {
    EXPECT_EQ(transfer_of(to_underlying(fctype::connect)), data_transfer::host_to_controller);
    EXPECT_EQ(transfer_of(to_underlying(fctype::authentication_send)), data_transfer::host_to_controller);
    EXPECT_EQ(transfer_of(to_underlying(fctype::authentication_receive)), data_transfer::controller_to_host);
    EXPECT_EQ(transfer_of(to_underlying(fctype::property_get)), data_transfer::none);
}

TEST(rdma_cm, request) {
    constexpr image<32> bytes = {0x00, 0x00, 0x02, 0x00, 0x80, 0x00, 0x7f, 0x00, 0x01, 0x00};
    const auto r = read<rdma_cm_request>(bytes);
    EXPECT_EQ(r.recfmt, 0);
    EXPECT_EQ(r.qid, 2);
    EXPECT_EQ(r.hrqsize, 128);
    EXPECT_EQ(r.hsqsize, 127);
    EXPECT_EQ(r.cntlid, 1);
}

TEST(rdma_cm, accept_and_reject) {
    rdma_cm_accept a{};
    a.crqsize = 128;
    image<32> accepted{};
    accepted[2] = 0x80;
    EXPECT_EQ(sent(a), accepted);

    rdma_cm_reject j{};
    j.status = to_underlying(rdma_cm_status::no_resources);
    EXPECT_EQ(sent(j), (image<4>{0x00, 0x00, 0x06, 0x00}));
}

TEST(discovery, header) {
    constexpr image<18> bytes = {0x07, 0, 0, 0, 0, 0, 0, 0, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0};
    const auto h = read_prefix<discovery_log_header>(bytes);
    EXPECT_EQ(h.genctr, 7u);
    EXPECT_EQ(h.numrec, 2u);
    EXPECT_EQ(h.recfmt, 0);
}

TEST(discovery, entry) {
    discovery_log_entry e{};
    e.trtype = to_underlying(transport_type::rdma);
    e.adrfam = to_underlying(address_family::ipv4);
    e.subtype = to_underlying(subsystem_type::nvm);
    e.treq = to_underlying(secure_channel::not_required) | treq_disable_sq_flow_control;
    e.portid = 0x0201;
    e.cntlid = cntlid_dynamic;
    e.asqsz = 128;
    e.eflags = eflags_duplicate_returned_information | eflags_explicit_persistent_connection;
    copy_padded(e.trsvcid, "4420");
    copy_terminated(e.subnqn, "nqn.2016-06.io.spdk:cnode1");
    copy_padded(e.traddr, "192.0.2.1");
    rdma_tsas tsas{};
    tsas.qptype = to_underlying(rdma_qp_type::reliable_connected);
    tsas.prtype = to_underlying(rdma_provider::roce_v2);
    tsas.cms = to_underlying(rdma_connection_service::rdma_cm);
    std::memcpy(e.tsas, &tsas, sizeof tsas);

    image<1024> bytes{};
    const image<12> head = {0x01, 0x01, 0x02, 0x06, 0x01, 0x02, 0xff, 0xff, 0x80, 0x00, 0x03, 0x00};
    std::copy(head.begin(), head.end(), bytes.begin());
    std::memset(&bytes[32], ' ', 32);
    std::memcpy(&bytes[32], "4420", 4);
    std::memcpy(&bytes[256], "nqn.2016-06.io.spdk:cnode1", 26);
    std::memset(&bytes[512], ' ', 256);
    std::memcpy(&bytes[512], "192.0.2.1", 9);
    bytes[768] = 0x01;
    bytes[769] = 0x04;
    bytes[770] = 0x01;
    EXPECT_EQ(sent(e), bytes);
    EXPECT_EQ(byte_at(e, 770), 0x01);
}

TEST(text, padded_fields_are_cut_and_filled) {
    char field[8];
    copy_padded(field, "0.1.0");
    EXPECT_EQ(std::string_view(field, 8), "0.1.0   ");
    EXPECT_EQ(padded_text(field), "0.1.0");
    copy_padded(field, "0123456789");
    EXPECT_EQ(std::string_view(field, 8), "01234567");
    copy_padded(field, "");
    EXPECT_EQ(padded_text(field), "");
}

TEST(text, terminated_fields_always_end) {
    char field[4];
    copy_terminated(field, "0123456789");
    EXPECT_EQ(terminated_text(field), "012");
    copy_terminated(field, "");
    EXPECT_EQ(terminated_text(field), "");
}

TEST(text, a_field_without_its_nul_is_not_read_past_its_end) {
    const char field[4] = {'n', 'q', 'n', '.'};
    EXPECT_EQ(terminated_text(field), std::nullopt);
}

}  // namespace
}  // namespace causeway::nvme
