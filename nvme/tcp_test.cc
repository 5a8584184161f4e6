// SPDX-License-Identifier: Apache-2.0
#include "nvme/tcp.h"

#include "nvme/testing/golden.h"

#include <gtest/gtest.h>

namespace causeway::nvme {
namespace {

using testing::image;
using testing::read;
using testing::read_prefix;
using testing::sent;

TEST(tcp, initialize_connection_request) {
    constexpr image<16> bytes = {
        0x00, 0x00, 0x80, 0x00,  // ICReq, no flags, HLEN 128, PDO reserved
        0x80, 0x00, 0x00, 0x00,  // PLEN 128
        0x00, 0x00,              // PFV 0
        0x1f,                    // HPDA: 128 bytes
        0x03,                    // both digests
        0x07, 0x00, 0x00, 0x00,  // MAXR2T 8
    };
    const auto r = read_prefix<tcp_ic_req>(bytes);
    EXPECT_EQ(r.common.type, to_underlying(tcp_pdu_type::ic_req));
    EXPECT_EQ(r.common.hlen, sizeof r);
    EXPECT_EQ(r.common.plen, sizeof r);
    EXPECT_EQ(r.pfv, 0);
    EXPECT_EQ(r.hpda, tcp_max_alignment);
    EXPECT_EQ(r.dgst, tcp_enable_header_digest | tcp_enable_data_digest);
    EXPECT_EQ(r.maxr2t, 7u);
}

TEST(tcp, initialize_connection_response) {
    image<128> bytes = {
        0x01, 0x00, 0x80, 0x00, 0x80, 0x00, 0x00, 0x00, 0x00, 0x00,  // PFV
        0x03,                                                        // CPDA: 16 bytes
        0x01,                                                        // header digest
        0x00, 0x00, 0x02, 0x00,                                      // MAXH2CDATA 131072
    };
    tcp_ic_resp r{};
    r.common = {to_underlying(tcp_pdu_type::ic_resp), 0, sizeof r, 0, sizeof r};
    r.cpda = 3;
    r.dgst = tcp_enable_header_digest;
    r.maxh2cdata = 131072u;
    EXPECT_EQ(sent(r), bytes);
}

TEST(tcp, termination_request) {
    constexpr image<24> bytes = {
        0x03, 0x00, 0x18, 0x00,  // C2HTermReq, HLEN 24
        0x20, 0x00, 0x00, 0x00,  // PLEN 32: the common header of the PDU at fault follows
        0x06, 0x00,              // FES: unsupported parameter
        0x0a, 0x00, 0x00, 0x00,  // FEI: byte 10, HPDA
    };
    const auto t = read<tcp_term_req>(bytes);
    EXPECT_EQ(t.common.type, to_underlying(tcp_pdu_type::c2h_term_req));
    EXPECT_EQ(t.common.plen, 32u);
    EXPECT_EQ(t.fes, to_underlying(tcp_fatal_error::unsupported_parameter));
    EXPECT_EQ(t.fei, offsetof(tcp_ic_req, hpda));
}

TEST(tcp, command_capsule) {
    image<72> bytes = {
        0x04, 0x03, 0x48, 0x50,                 // CapsuleCmd, HDGSTF and DDGSTF, HLEN 72, data at byte 80
        0x54, 0x10, 0x00, 0x00,                 // PLEN 4180: 80, 4096 of data, 4 of digest
        0x01, 0x40, 0x2a, 0x00, 0x01, 0, 0, 0,  // a write, SGLs, CID 42, namespace 1
    };
    const auto c = read<tcp_capsule_cmd>(bytes);
    EXPECT_EQ(c.common.type, to_underlying(tcp_pdu_type::capsule_cmd));
    EXPECT_EQ(c.common.flags, tcp_header_digest | tcp_data_digest);
    EXPECT_EQ(c.common.hlen, sizeof c);
    EXPECT_EQ(c.common.pdo, sizeof c + 8);
    EXPECT_EQ(c.common.plen, 80u + 4096 + tcp_digest_size);
    EXPECT_EQ(c.sqe.opcode, 0x01);
    EXPECT_EQ(c.sqe.cid, 42);
    EXPECT_EQ(c.sqe.nsid, 1u);
}

TEST(tcp, response_capsule) {
    constexpr image<24> bytes = {
        0x05, 0x00, 0x18, 0x00, 0x18, 0x00, 0x00, 0x00, 0, 0, 0, 0, 0, 0, 0, 0,  // command specific
        0x05, 0x00, 0x00, 0x00,                                                  // SQHD 5, SQID reserved
        0x2a, 0x00, 0x04, 0x80,  // CID 42; Invalid Field in Command, Do Not Retry
    };
    const auto c = read<tcp_capsule_resp>(bytes);
    EXPECT_EQ(c.cqe.sqhd, 5);
    EXPECT_EQ(c.cqe.cid, 42);
    EXPECT_EQ(c.cqe.status(), sc::invalid_field.with_dnr());
}

TEST(tcp, data_toward_the_host) {
    constexpr image<24> bytes = {
        0x07, 0x0c, 0x18, 0x18,  // C2HData, LAST_PDU and SUCCESS, data at byte 24
        0x18, 0x02, 0x00, 0x00,  // PLEN 536
        0x2a, 0x00, 0x00, 0x00,  // CCCID 42, reserved
        0x00, 0x10, 0x00, 0x00,  // DATAO 4096
        0x00, 0x02, 0x00, 0x00,  // DATAL 512
    };
    tcp_data d{};
    d.common = {to_underlying(tcp_pdu_type::c2h_data), tcp_last_pdu | tcp_success, sizeof d, sizeof d, 536u};
    d.cccid = 42;
    d.datao = 4096u;
    d.datal = 512u;
    EXPECT_EQ(sent(d), bytes);
}

TEST(tcp, data_from_the_host) {
    constexpr image<24> bytes = {
        0x06, 0x04, 0x18, 0x18,  // H2CData, LAST_PDU
        0x18, 0x20, 0x00, 0x00,  // PLEN 8216
        0x2a, 0x00, 0x07, 0x01,  // CCCID 42, TTAG 0x107
        0x00, 0x20, 0x00, 0x00,  // DATAO 8192
        0x00, 0x20, 0x00, 0x00,  // DATAL 8192
    };
    const auto d = read<tcp_data>(bytes);
    EXPECT_EQ(d.common.type, to_underlying(tcp_pdu_type::h2c_data));
    EXPECT_EQ(d.common.flags, tcp_last_pdu);
    EXPECT_EQ(d.cccid, 42);
    EXPECT_EQ(d.ttag, 0x107);
    EXPECT_EQ(d.datao, 8192u);
    EXPECT_EQ(d.datal, 8192u);
}

TEST(tcp, ready_to_transfer) {
    constexpr image<24> bytes = {
        0x09, 0x01, 0x18, 0x00,  // R2T, HDGSTF
        0x1c, 0x00, 0x00, 0x00,  // PLEN 28: and a digest
        0x2a, 0x00, 0x07, 0x01,  // CCCID 42, TTAG 0x107
        0x00, 0x20, 0x00, 0x00,  // R2TO 8192
        0x00, 0x00, 0x02, 0x00,  // R2TL 131072
    };
    tcp_r2t r{};
    r.common = {to_underlying(tcp_pdu_type::r2t), tcp_header_digest, sizeof r, 0, sizeof r + tcp_digest_size};
    r.cccid = 42;
    r.ttag = 0x107;
    r.r2to = 8192u;
    r.r2tl = 131072u;
    EXPECT_EQ(sent(r), bytes);
}

}  // namespace
}  // namespace causeway::nvme
