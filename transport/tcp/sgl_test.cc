// SPDX-License-Identifier: Apache-2.0
#include "transport/tcp/sgl.h"

#include <gtest/gtest.h>

namespace causeway::tcp {
namespace {

using nvme::sgl_descriptor;
using nvme::sgl_subtype;
using nvmf::transfer;
namespace sc = nvme::sc;

struct row {
    const char* sentence;
    sgl_descriptor sgl;
    std::uint32_t available, length;
    transfer way;
    nvme::status expected;
    std::optional<std::uint32_t> offset{};
};

const row rows[] = {
    {"a read", sgl_descriptor::transport_data_block(512), 0, 512, transfer::to_host, sc::success},
    {"more room than is moved", sgl_descriptor::transport_data_block(513), 0, 512, transfer::to_host, sc::success},
    {"less room", sgl_descriptor::transport_data_block(511), 0, 512, transfer::to_host,
     sc::data_sgl_length_invalid.with_dnr()},
    {"a write, asked for later", sgl_descriptor::transport_data_block(512), 0, 512, transfer::from_host, sc::success},
    {"a write that came along", sgl_descriptor::data_block(0, 512, sgl_subtype::offset), 512, 512, transfer::from_host,
     sc::success, 0},
    {"behind something else", sgl_descriptor::data_block(64, 512, sgl_subtype::offset), 576, 512, transfer::from_host,
     sc::success, 64},
    {"a byte too far", sgl_descriptor::data_block(65, 512, sgl_subtype::offset), 576, 512, transfer::from_host,
     sc::data_sgl_length_invalid.with_dnr()},
    {"behind the end", sgl_descriptor::data_block(577, 512, sgl_subtype::offset), 576, 512, transfer::from_host,
     sc::sgl_offset_invalid.with_dnr()},
    {"an offset that wraps around", sgl_descriptor::data_block(~0ull, 512, sgl_subtype::offset), 576, 512,
     transfer::from_host, sc::sgl_offset_invalid.with_dnr()},
    {"less than the command moves", sgl_descriptor::data_block(0, 511, sgl_subtype::offset), 512, 512,
     transfer::from_host, sc::data_sgl_length_invalid.with_dnr()},
    {"a read into the capsule", sgl_descriptor::data_block(0, 512, sgl_subtype::offset), 512, 512, transfer::to_host,
     sc::invalid_field.with_dnr()},
    {"memory of the host's", sgl_descriptor::data_block(4096, 512), 512, 512, transfer::from_host,
     sc::sgl_type_invalid.with_dnr()},
    {"a key", sgl_descriptor::keyed_data_block(4096, 512, 7), 0, 512, transfer::to_host,
     sc::sgl_type_invalid.with_dnr()},
    {"a list", sgl_descriptor::last_segment(0, 32), 512, 512, transfer::from_host, sc::sgl_type_invalid.with_dnr()},
};

TEST(tcp_sgl, says_where_data_is_or_what_is_wrong) {
    for (const row& r : rows) {
        SCOPED_TRACE(r.sentence);
        nvme::command c{};
        c.sgl = r.sgl;
        data_location location;
        EXPECT_EQ(parse_sgl(c, r.available, r.length, r.way, location), r.expected);
        if (r.expected.ok()) {
            EXPECT_EQ(location.capsule_offset, r.offset);
        }
    }
}

}  // namespace
}  // namespace causeway::tcp
