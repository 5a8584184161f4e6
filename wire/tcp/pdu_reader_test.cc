// SPDX-License-Identifier: Apache-2.0
#include "wire/tcp/pdu_reader.h"

#include <cstring>
#include <gtest/gtest.h>
#include <string>
#include <vector>

namespace causeway::tcp {
namespace {

using bytes = std::vector<std::uint8_t>;
using enum nvme::tcp_fatal_error;

/// Writes down what it is told.
struct listener final : pdu_sink {
    std::variant<std::byte*, violation> begin(const pdu& p) noexcept override {
        if (refuse)
            return *refuse;
        log += "begin " + std::to_string(p.common().type) + " " + std::to_string(p.data_length()) + "\n";
        data.assign(p.data_length(), std::byte{0xee});
        if (p.common().type == 0)
            reader->negotiated = after_ic_req;
        return p.data_length() && !drop ? data.data() : nullptr;
    }
    bool end(const pdu& p, bool intact) noexcept override {
        log += "end " + std::to_string(p.common().type) + (intact ? "" : " broken") + " '" +
               std::string(reinterpret_cast<const char*>(data.data()), drop ? 0 : data.size()) + "'\n";
        return !ends;
    }
    void violated(const violation& v, std::span<const std::byte> header) noexcept override {
        log += "violation " + std::to_string(nvme::to_underlying(v.status)) + " " + std::to_string(v.information) +
               " after " + std::to_string(header.size()) + "\n";
    }

    pdu_reader* reader = nullptr;
    negotiated_params after_ic_req{.initialized = true, .in_capsule_data = 8192, .max_data = 8192};
    std::optional<violation> refuse;
    bool drop = false, ends = false;
    std::vector<std::byte> data;
    std::string log;
};

struct reading {
    listener told;
    pdu_reader reader{told};
    reading() { told.reader = &reader; }
    /// False: it is over.
    bool feed(const bytes& b) {
        const std::size_t taken = reader.feed(std::as_bytes(std::span(b)));
        EXPECT_TRUE(taken == b.size() || reader.over());
        return !reader.over();
    }
};

bytes operator+(bytes a, const bytes& b) {
    a.insert(a.end(), b.begin(), b.end());
    return a;
}

bytes padded(bytes b, std::size_t size) {
    b.resize(size);
    return b;
}

bytes text(const char* t) {
    return bytes(t, t + std::strlen(t));
}

const bytes ic_req = padded({0x00, 0, 128, 0, 128, 0, 0, 0}, 128);
const bytes command_without_data = padded({0x04, 0, 72, 0, 72, 0, 0, 0, 0x02}, 72);
/// A pad of eight bytes, then five of data.
const bytes command_with_data = padded({0x04, 0, 72, 80, 85, 0, 0, 0, 0x01}, 80) + text("hello");
const bytes data_from_host =
    bytes{0x06, 4, 24, 24, 28, 0, 0, 0, 7, 0, 1, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0} + text("data");

const char* const whole_story = "begin 0 0\nend 0 ''\n"
                                "begin 4 0\nend 4 ''\n"
                                "begin 4 5\nend 4 'hello'\n"
                                "begin 6 4\nend 6 'data'\n";
const bytes whole_stream = ic_req + command_without_data + command_with_data + data_from_host;

TEST(pdu_reader, makes_the_same_of_a_stream_however_it_is_cut) {
    for (std::size_t size = 1; size <= whole_stream.size(); ++size) {
        reading r;
        for (std::size_t at = 0; at < whole_stream.size(); at += size) {
            const std::size_t n = std::min(size, whole_stream.size() - at);
            ASSERT_TRUE(r.feed(
                bytes(whole_stream.begin() + static_cast<long>(at), whole_stream.begin() + static_cast<long>(at + n))));
        }
        ASSERT_EQ(r.told.log, whole_story) << "in pieces of " << size;
        EXPECT_TRUE(r.reader.at_rest());
    }
}

TEST(pdu_reader, lets_data_be_received_where_it_goes) {
    reading r;
    r.feed(ic_req);
    EXPECT_TRUE(r.reader.destination().empty());
    r.feed(bytes(command_with_data.begin(), command_with_data.begin() + 81));
    ASSERT_EQ(r.reader.destination().size(), 4u);
    std::memcpy(r.reader.destination().data(), "el", 2);
    r.reader.received_in_place(2);
    ASSERT_EQ(r.reader.destination().size(), 2u);
    std::memcpy(r.reader.destination().data(), "lo", 2);
    r.reader.received_in_place(2);
    EXPECT_TRUE(r.told.log.ends_with("end 4 'hello'\n"));
    EXPECT_TRUE(r.reader.destination().empty());
}

TEST(pdu_reader, drops_what_nobody_wants) {
    reading r;
    r.told.drop = true;
    r.feed(ic_req + command_with_data);
    EXPECT_TRUE(r.reader.destination().empty());
    EXPECT_TRUE(r.told.log.ends_with("begin 4 5\nend 4 ''\n"));
    EXPECT_TRUE(r.reader.at_rest());
}

// CRC-32C of 72 bytes 04 03 48 4c 55 00 00 00 01 00 …, and of "hello". RFC 3720 B.4 gives the check values of the sum
// itself.
const bytes with_digests = padded({0x04, 3, 72, 76, 85, 0, 0, 0, 0x01}, 72);

bytes digest(const bytes& of) {
    crc32c sum;
    sum.add(std::as_bytes(std::span(of)));
    const std::uint32_t v = sum.value();
    return {static_cast<std::uint8_t>(v), static_cast<std::uint8_t>(v >> 8), static_cast<std::uint8_t>(v >> 16),
            static_cast<std::uint8_t>(v >> 24)};
}

TEST(crc32c, is_the_sum_of_rfc_3720) {
    EXPECT_EQ(digest(bytes(32, 0)), (bytes{0xaa, 0x36, 0x91, 0x8a}));
    EXPECT_EQ(digest(bytes(32, 0xff)), (bytes{0x43, 0xab, 0xa8, 0x62}));
    bytes ascending(32);
    for (std::size_t i = 0; i < ascending.size(); ++i)
        ascending[i] = static_cast<std::uint8_t>(i);
    EXPECT_EQ(digest(ascending), (bytes{0x4e, 0x79, 0xdd, 0x46}));
}

struct digests : testing::Test {
    digests() {
        r.told.after_ic_req.header_digest = r.told.after_ic_req.data_digest = true;
        r.feed(ic_req);
        r.told.log.clear();
    }
    reading r;
};

TEST_F(digests, are_checked_and_right) {
    EXPECT_TRUE(r.feed(with_digests + digest(with_digests) + text("hello") + digest(text("hello"))));
    EXPECT_EQ(r.told.log, "begin 4 5\nend 4 'hello'\n");
}

TEST_F(digests, of_a_header_that_is_wrong_end_the_connection) {
    EXPECT_FALSE(r.feed(with_digests + bytes{1, 2, 3, 4} + text("hello") + digest(text("hello"))));
    EXPECT_EQ(r.told.log, "violation 3 67305985 after 76\n") << "FEI is the digest as it was received";
    EXPECT_FALSE(r.feed(with_digests));
}

TEST_F(digests, of_data_that_are_wrong_spoil_one_command_only) {
    EXPECT_TRUE(r.feed(with_digests + digest(with_digests) + text("hallo") + digest(text("hello"))));
    EXPECT_TRUE(r.feed(with_digests + digest(with_digests) + text("hello") + digest(text("hello"))));
    EXPECT_EQ(r.told.log, "begin 4 5\nend 4 broken 'hallo'\nbegin 4 5\nend 4 'hello'\n");
}

TEST_F(digests, count_what_was_received_in_place) {
    r.feed(with_digests + digest(with_digests) + text("he"));
    std::memcpy(r.reader.destination().data(), "llo", 3);
    r.reader.received_in_place(3);
    r.feed(digest(text("hello")));
    EXPECT_TRUE(r.told.log.ends_with("end 4 'hello'\n"));
}

TEST(pdu_reader, stops_at_a_header_that_is_wrong_before_it_is_complete) {
    reading r;
    EXPECT_FALSE(r.feed(ic_req + bytes{0x04, 0, 71, 0, 72, 0, 0, 0}));
    EXPECT_TRUE(r.told.log.ends_with("violation 1 2 after 8\n"));
    EXPECT_TRUE(r.reader.over());
}

TEST(pdu_reader, stops_when_the_sink_says_so) {
    reading refused;
    refused.told.refuse = violation{unsupported_parameter, 10};
    EXPECT_FALSE(refused.feed(ic_req));
    EXPECT_EQ(refused.told.log, "violation 6 10 after 128\n");
    reading ended;
    ended.told.ends = true;
    EXPECT_FALSE(ended.feed(whole_stream));
    EXPECT_EQ(ended.told.log, "begin 0 0\nend 0 ''\n");
}

}  // namespace
}  // namespace causeway::tcp
