// SPDX-License-Identifier: Apache-2.0
#include "wire/tcp/pdu_check.h"

#include <gtest/gtest.h>

namespace causeway::tcp {
namespace {

using nvme::tcp_common_header;
using enum nvme::tcp_fatal_error;

constexpr negotiated_params before{};
constexpr negotiated_params plain{.initialized = true, .in_capsule_data = 8192, .max_data = 131072};
constexpr negotiated_params digests{
    .initialized = true, .header_digest = true, .data_digest = true, .in_capsule_data = 8192, .max_data = 131072};
constexpr negotiated_params aligned{.initialized = true, .alignment = 7, .in_capsule_data = 8192, .max_data = 131072};

constexpr negotiated_params host_before{.sender = side::controller};
constexpr negotiated_params host{.sender = side::controller, .initialized = true, .max_data = 131072};
constexpr negotiated_params host_digests{.sender = side::controller,
                                         .initialized = true,
                                         .header_digest = true,
                                         .data_digest = true,
                                         .alignment = 1,
                                         .max_data = 131072};

struct row {
    const char* sentence;
    const negotiated_params& with;
    tcp_common_header header;
    std::optional<violation> expected;
    std::uint32_t data = 0;  ///< bytes, of one that passes
};

const row rows[] = {
    {"ICReq comes first", before, {0x00, 0, 128, 0, 128u}, {}},
    {"anything else does not", before, {0x04, 0, 72, 0, 72u}, violation{pdu_sequence_error}},
    {"a host may end what has not begun", before, {0x02, 0, 24, 0, 32u}, {}, 8},
    {"ICReq comes once", plain, {0x00, 0, 128, 0, 128u}, violation{pdu_sequence_error}},
    {"ICReq of another size", before, {0x00, 0, 128, 0, 132u}, invalid_field(4)},
    {"ICReq with a digest", before, {0x00, 1, 128, 0, 128u}, invalid_field(1)},
    {"a type that does not exist", plain, {0x08, 0, 24, 0, 24u}, invalid_field(0)},
    {"a type that only controllers send", plain, {0x09, 0, 24, 0, 24u}, invalid_field(0)},
    {"a command without data", plain, {0x04, 0, 72, 0, 72u}, {}},
    {"its PDO means nothing", plain, {0x04, 0, 72, 200, 72u}, {}},
    {"a command with a header of another size", plain, {0x04, 0, 64, 0, 72u}, invalid_field(2)},
    {"a command shorter than its header", plain, {0x04, 0, 72, 0, 71u}, invalid_field(4)},
    {"a command with data", plain, {0x04, 0, 72, 72, 72u + 4096}, {}, 4096},
    {"with as much as there may be", plain, {0x04, 0, 72, 72, 72u + 8192}, {}, 8192},
    {"with a byte more", plain, {0x04, 0, 72, 72, 72u + 8193}, invalid_field(4)},
    {"with four gigabytes", plain, {0x04, 0, 72, 72, 0xffffffffu}, invalid_field(4)},
    {"data that begins inside the header", plain, {0x04, 0, 72, 68, 72u + 4096}, invalid_field(3)},
    {"data that begins at the end", plain, {0x04, 0, 72, 80, 80u}, invalid_field(4)},
    {"data that begins behind the end", plain, {0x04, 0, 72, 84, 80u}, invalid_field(4)},
    {"data behind a pad", aligned, {0x04, 0, 72, 96, 96u + 512}, {}, 512},
    {"data that is not aligned as agreed", aligned, {0x04, 0, 72, 72, 72u + 512}, invalid_field(3)},
    {"both digests", digests, {0x04, 3, 72, 76, 76u + 4096 + 4}, {}, 4096},
    {"no data, no digest of it", digests, {0x04, 1, 72, 0, 76u}, {}},
    {"a header digest that is missing", digests, {0x04, 2, 72, 76, 76u + 4096 + 4}, invalid_field(1)},
    {"a data digest that is missing", digests, {0x04, 1, 72, 76, 76u + 4096 + 4}, invalid_field(1)},
    {"a digest that nobody has agreed on", plain, {0x04, 1, 72, 72, 72u + 4096}, invalid_field(1)},
    {"data on top of the header digest", digests, {0x04, 3, 72, 72, 76u + 4096 + 4}, invalid_field(3)},
    {"nothing but a data digest", digests, {0x04, 3, 72, 76, 76u + 4}, invalid_field(4)},
    {"data from the host", plain, {0x06, 4, 24, 24, 24u + 131072}, {}, 131072},
    {"more of it than was said", plain, {0x06, 4, 24, 24, 24u + 131076}, violation{data_transfer_limit_exceeded}},
    {"none of it", plain, {0x06, 4, 24, 24, 24u}, invalid_field(4)},
    {"a termination request and what it is about", digests, {0x02, 0, 24, 0, 24u + 128}, {}, 128},
    {"ICResp comes first", host_before, {0x01, 0, 128, 0, 128u}, {}},
    {"a response does not", host_before, {0x05, 0, 24, 0, 24u}, violation{pdu_sequence_error}},
    {"a controller does not ask to be initialized", host_before, {0x00, 0, 128, 0, 128u}, invalid_field(0)},
    {"a response", host, {0x05, 0, 24, 0, 24u}, {}},
    {"a response has no data", host, {0x05, 0, 24, 24, 28u}, invalid_field(4)},
    {"ready to transfer", host, {0x09, 0, 24, 0, 24u}, {}},
    {"data and success", host, {0x07, 12, 24, 24, 24u + 512}, {}, 512},
    {"data behind a pad, with digests", host_digests, {0x07, 7, 24, 32, 32u + 512 + 4}, {}, 512},
    {"data where the pad should be", host_digests, {0x07, 7, 24, 28, 28u + 512 + 4}, invalid_field(3)},
    {"no host sends responses", plain, {0x05, 0, 24, 0, 24u}, invalid_field(0)},
    {"a controller ends it", host, {0x03, 0, 24, 0, 24u + 24}, {}, 24},
    {"one that says too much", plain, {0x02, 0, 24, 0, 24u + 132}, invalid_field(4)},
};

TEST(pdu_check, finds_what_is_wrong_in_eight_bytes) {
    for (const row& r : rows) {
        SCOPED_TRACE(r.sentence);
        const auto found = check_common_header(r.header, r.with);
        EXPECT_EQ(found.has_value(), r.expected.has_value());
        if (found && r.expected) {
            EXPECT_EQ(found->status, r.expected->status);
            EXPECT_EQ(found->information, r.expected->information);
        }
        if (!found) {
            EXPECT_EQ(data_of(r.header, r.with).length, r.data);
        }
    }
}

}  // namespace
}  // namespace causeway::tcp
