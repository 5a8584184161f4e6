// SPDX-License-Identifier: Apache-2.0
#include "transport/tcp/outgoing.h"

#include <gtest/gtest.h>
#include <vector>

namespace causeway::tcp {
namespace {

using bytes = std::vector<std::uint8_t>;

/// What is left to send, `sent` bytes being gone.
bytes left(const outgoing& o, std::size_t sent = 0) {
    std::array<iovec, outgoing::max_pieces> pieces;
    bytes all;
    for (unsigned i = 0, n = o.pieces(sent, pieces.data()); i < n; ++i) {
        const auto* at = static_cast<const std::uint8_t*>(pieces[i].iov_base);
        all.insert(all.end(), at, at + pieces[i].iov_len);
    }
    return all;
}

bytes operator+(bytes a, const bytes& b) {
    a.insert(a.end(), b.begin(), b.end());
    return a;
}

nvme::tcp_data data_header(std::uint32_t length, std::uint8_t flags = nvme::tcp_last_pdu) {
    nvme::tcp_data h{};
    h.common.type = nvme::to_underlying(nvme::tcp_pdu_type::c2h_data);
    h.common.flags = flags;
    h.cccid = std::uint16_t{0x0102};
    h.datal = length;
    return h;
}

nvme::tcp_capsule_resp response() {
    nvme::tcp_capsule_resp h{};
    h.common.type = nvme::to_underlying(nvme::tcp_pdu_type::capsule_resp);
    h.cqe.cid = std::uint16_t{0x0102};
    return h;
}

const bytes hello = {'h', 'e', 'l', 'l', 'o', '!', '!', '!'};
const std::span<const std::byte> hello_data = std::as_bytes(std::span(hello));

const bytes plain_data_header = {
    0x07, 0x04, 0x18, 0x18,              // C2HData, LAST_PDU, HLEN 24, PDO 24
    0x20, 0x00, 0x00, 0x00,              // PLEN 32
    0x02, 0x01, 0x00, 0x00,              // CCCID
    0x00, 0x00, 0x00, 0x00,              // DATAO
    0x08, 0x00, 0x00, 0x00, 0, 0, 0, 0,  // DATAL 8
};
const bytes plain_response = {
    0x05, 0x00, 0x18, 0x00, 0x18, 0x00, 0x00, 0x00,              // CapsuleResp, PLEN 24
    0,    0,    0,    0,    0,    0,    0,    0,    0, 0, 0, 0,  // DW0, DW1, SQHD, SQID
    0x02, 0x01, 0x00, 0x00,                                      // CID, status
};

TEST(outgoing, data_and_response) {
    outgoing o;
    o.clear();
    o.add(data_header(8), false, false, 4, hello_data);
    o.add(response(), false);
    EXPECT_EQ(left(o), plain_data_header + hello + plain_response);
    EXPECT_EQ(o.size(), 56u);
}

// Digests: CRC-32C of the header's bytes, its flags included, and of "hello!!!", computed bit by bit.
TEST(outgoing, digests_and_a_pad) {
    outgoing o;
    o.clear();
    o.add(data_header(8), true, true, 16, hello_data);
    const bytes sent = left(o);
    ASSERT_EQ(sent.size(), 32u + 8 + 4);
    EXPECT_EQ(sent[1], 0x04 | 0x01 | 0x02);
    EXPECT_EQ(sent[3], 32);
    EXPECT_EQ(sent[4], 44);
    const auto digest = [](std::span<const std::uint8_t> of) {
        std::uint32_t crc = ~0u;
        for (const std::uint8_t b : of) {
            crc ^= b;
            for (int bit = 0; bit < 8; ++bit)
                crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
        }
        crc = ~crc;
        return bytes{std::uint8_t(crc), std::uint8_t(crc >> 8), std::uint8_t(crc >> 16), std::uint8_t(crc >> 24)};
    };
    EXPECT_EQ(bytes(sent.begin() + 24, sent.begin() + 28), digest(std::span(sent).first(24)));
    EXPECT_EQ(bytes(sent.begin() + 28, sent.begin() + 32), bytes(4));
    EXPECT_EQ(bytes(sent.begin() + 32, sent.begin() + 40), hello);
    EXPECT_EQ(bytes(sent.begin() + 40, sent.end()), digest(hello));
}

TEST(outgoing, goes_on_wherever_it_was_cut) {
    outgoing o;
    o.clear();
    o.add(data_header(8), true, true, 128, hello_data);
    o.add(response(), true);
    const bytes whole = left(o);
    ASSERT_EQ(whole.size(), o.size());
    for (std::size_t sent = 0; sent < whole.size(); ++sent)
        EXPECT_EQ(left(o, sent), bytes(whole.begin() + static_cast<std::ptrdiff_t>(sent), whole.end())) << sent;
}

TEST(outgoing, four_requests_for_data) {
    outgoing o;
    o.clear();
    for (std::uint16_t tag = 0; tag < 4; ++tag) {
        nvme::tcp_r2t h{};
        h.common.type = nvme::to_underlying(nvme::tcp_pdu_type::r2t);
        h.ttag = tag;
        o.add(h, true);
    }
    const bytes sent = left(o);
    ASSERT_EQ(sent.size(), 4u * 28);
    for (std::size_t i = 0; i < 4; ++i) {
        EXPECT_EQ(sent[28 * i], 0x09);
        EXPECT_EQ(sent[28 * i + 4], 28);
        EXPECT_EQ(sent[28 * i + 10], i);
    }
}

}  // namespace
}  // namespace causeway::tcp
