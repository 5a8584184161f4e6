// SPDX-License-Identifier: Apache-2.0
// Data pointers that are wrong.

#include "tests/hostile/cases.h"

#include <algorithm>
#include <cstring>
#include <fmt/format.h>

namespace causeway::hostile {

namespace {

using nvme::sgl_descriptor;
using nvme::sgl_subtype;
using nvme::sgl_type;
namespace sc = nvme::sc;

/// A capsule of a write with `list` behind the command, whose last segment descriptor may be anything.
std::vector<std::byte> with_list(const session& s, std::uint64_t offset, std::uint32_t length,
                                 std::span<const sgl_descriptor> list) {
    nvme::command c = write_blocks(s.at, 0x10, 0, 1);
    c.sgl = sgl_descriptor::last_segment(offset, length);
    std::vector<std::byte> capsule(sizeof c + list.size_bytes());
    std::memcpy(capsule.data(), &c, sizeof c);
    if (!list.empty())
        std::memcpy(capsule.data() + sizeof c, list.data(), list.size_bytes());
    return capsule;
}

std::vector<sgl_descriptor> good_list(const session& s, unsigned count, std::uint32_t each) {
    std::vector<sgl_descriptor> list;
    for (unsigned i = 0; i < count; ++i)
        list.push_back(sgl_descriptor::keyed_data_block(s.io->address() + i * each, each, s.io->rkey()));
    return list;
}

std::string refuse_list(const endpoint& at, std::uint64_t offset, std::uint32_t length,
                        std::span<const sgl_descriptor> list, session& s, nvme::status wanted) {
    (void)at;
    must_be(must_answer(*s.io, with_list(s, offset, length, list)), {wanted});
    must_still_serve(s);
    return nvme::to_string(wanted);
}

std::string count_0(const endpoint& at) {
    session s = open_session(at);
    return refuse_list(at, 0, 0, {}, s, sc::invalid_sgl_segment);
}

std::string count_17(const endpoint& at) {
    session s = open_session(at);
    const auto list = good_list(s, 17, s.block_size / 16);
    return refuse_list(at, 0, 17 * 16, list, s, sc::invalid_sgl_count);
}

std::string count_huge(const endpoint& at) {
    session s = open_session(at);
    return refuse_list(at, 0, 0xfffffff0, good_list(s, 1, s.block_size), s, sc::invalid_sgl_count);
}

std::string list_ragged(const endpoint& at) {
    session s = open_session(at);
    return refuse_list(at, 0, 24, good_list(s, 2, s.block_size), s, sc::invalid_sgl_segment);
}

std::string list_beyond_capsule(const endpoint& at) {
    session s = open_session(at);
    return refuse_list(at, 0, 16 * 16, good_list(s, 1, s.block_size), s, sc::sgl_offset_invalid);
}

std::string list_offset(const endpoint& at) {
    session s = open_session(at);
    return refuse_list(at, 1 << 20, 16, good_list(s, 1, s.block_size), s, sc::sgl_offset_invalid);
}

std::string list_offset_wraps(const endpoint& at) {
    session s = open_session(at);
    return refuse_list(at, ~std::uint64_t{7}, 16, good_list(s, 1, s.block_size), s, sc::sgl_offset_invalid);
}

std::string list_short(const endpoint& at) {
    session s = open_session(at);
    return refuse_list(at, 0, 32, good_list(s, 2, s.block_size / 4), s, sc::data_sgl_length_invalid);
}

std::string list_nested(const endpoint& at) {
    session s = open_session(at);
    const sgl_descriptor list[] = {sgl_descriptor::last_segment(0, 16)};
    return refuse_list(at, 0, 16, list, s, sc::sgl_type_invalid);
}

std::string list_mixed(const endpoint& at) {
    session s = open_session(at);
    const sgl_descriptor list[] = {sgl_descriptor::keyed_data_block(s.io->address(), s.block_size / 2, s.io->rkey()),
                                   sgl_descriptor::data_block(0, s.block_size / 2, sgl_subtype::offset)};
    return refuse_list(at, 0, 32, list, s, sc::sgl_type_invalid);
}

std::string list_invalidates(const endpoint& at) {
    session s = open_session(at);
    const sgl_descriptor list[] = {
        sgl_descriptor::keyed_data_block(s.io->address(), s.block_size, s.io->rkey(), sgl_subtype::invalidate_key)};
    return refuse_list(at, 0, 16, list, s, sc::sgl_type_invalid);
}

std::string list_of_16_works(const endpoint& at) {
    session s = open_session(at);
    const std::uint32_t each = s.block_size / 16;
    for (std::uint32_t i = 0; i < s.block_size; ++i)
        s.io->memory()[i] = static_cast<std::byte>(i * 7 + i / each);
    must_succeed(must_answer(*s.io, with_list(s, 0, 16 * 16, good_list(s, 16, each))));
    must_succeed(must_answer(*s.io, keyed(read_blocks(at, 0x11, 0, 1), *s.io, s.block_size, s.block_size)));
    if (!std::equal(s.io->memory().begin(), s.io->memory().begin() + s.block_size,
                    s.io->memory().begin() + s.block_size))
        throw unexpected("what was written is not what is read");
    // And the other way, with the pieces in reverse.
    auto list = good_list(s, 16, each);
    std::reverse(list.begin(), list.end());
    auto capsule = with_list(s, 0, 16 * 16, list);
    capsule[0] = std::byte{nvme::to_underlying(nvme::io_opcode::read)};
    std::fill_n(s.io->memory().begin(), s.block_size, std::byte{0});
    must_succeed(must_answer(*s.io, capsule));
    for (std::uint32_t i = 0; i < s.block_size; ++i) {
        const std::uint32_t from = (15 - i / each) * each + i % each;
        if (s.io->memory()[i] != s.io->memory()[s.block_size + from])
            throw unexpected("pieces of a read are in the wrong places");
    }
    return "16 pieces written and read back";
}

/// A write with its data in the capsule.
std::vector<std::byte> in_capsule(const session& s, std::uint64_t offset, std::uint32_t length, std::size_t carried) {
    nvme::command c = write_blocks(s.at, 0x12, 0, 1);
    c.sgl = sgl_descriptor::data_block(offset, length, sgl_subtype::offset);
    std::vector<std::byte> capsule(sizeof c + carried, std::byte{0xc5});
    std::memcpy(capsule.data(), &c, sizeof c);
    return capsule;
}

std::string refuse_in_capsule(const endpoint& at, std::uint64_t offset, std::uint32_t length, std::size_t carried,
                              std::initializer_list<nvme::status> wanted) {
    session s = open_session(at);
    const auto c = must_answer(*s.io, in_capsule(s, offset, length, carried));
    must_be(c, wanted);
    must_still_serve(s);
    return nvme::to_string(c.status());
}

std::string in_capsule_offset(const endpoint& at) {
    return refuse_in_capsule(at, 1 << 16, 512, 512, {sc::sgl_offset_invalid});
}

std::string in_capsule_wraps(const endpoint& at) {
    return refuse_in_capsule(at, ~std::uint64_t{0} - 100, 512, 512, {sc::sgl_offset_invalid});
}

std::string in_capsule_not_carried(const endpoint& at) {
    return refuse_in_capsule(at, 0, 4096, 100, {sc::data_sgl_length_invalid});
}

std::string in_capsule_straddles(const endpoint& at) {
    return refuse_in_capsule(at, 256, 512, 512, {sc::data_sgl_length_invalid});
}

std::string in_capsule_short(const endpoint& at) {
    return refuse_in_capsule(at, 0, 16, 16, {sc::data_sgl_length_invalid});
}

std::string in_capsule_read(const endpoint& at) {
    session s = open_session(at);
    auto capsule = in_capsule(s, 0, s.block_size, s.block_size);
    capsule[0] = std::byte{nvme::to_underlying(nvme::io_opcode::read)};
    must_be(must_answer(*s.io, capsule), {sc::invalid_field, sc::sgl_type_invalid});
    must_still_serve(s);
    return "refused";
}

constexpr std::uint8_t invalidates =
    nvme::sgl_identifier(nvme::sgl_type::keyed_data_block, nvme::sgl_subtype::invalidate_key);

std::string every_type(const endpoint& at) {
    session s = open_session(at);
    unsigned served = 0, refused = 0;
    for (unsigned id = 0; id < 256; ++id) {
        if (id == invalidates)
            continue;
        nvme::command c = keyed(read_blocks(at, static_cast<std::uint16_t>(id), 0, 1), *s.io, s.block_size);
        c.sgl.identifier = static_cast<std::uint8_t>(id);
        const auto answer = must_answer(*s.io, c);
        if (answer.status().ok()) {
            if (id != 0x40)
                throw unexpected(fmt::format("descriptor type {:#x} is served", id));
            ++served;
        } else {
            ++refused;
        }
    }
    must_still_serve(s);
    // Where the device can send with invalidate it is taken at its word; what a device makes of that for a region's own
    // key differs, and afterwards the key is of no use.
    nvme::command c = keyed(read_blocks(at, invalidates, 0, 1), *s.io, s.block_size);
    c.sgl.identifier = invalidates;
    s.io->send(c);
    if (const auto answer = s.io->receive()) {
        must_succeed(*answer);
        return fmt::format("{} served, {} refused", served + 1, refused);
    }
    session next = open_session(at);
    must_still_serve(next);
    return fmt::format("{} served, {} refused, closed on the one that invalidates", served, refused);
}

std::string keyed_short(const endpoint& at) {
    session s = open_session(at);
    for (const std::uint32_t length : {0u, 1u, s.block_size - 1})
        must_be(must_answer(*s.io, keyed(read_blocks(at, 5, 0, 1), *s.io, length)), {sc::data_sgl_length_invalid});
    must_still_serve(s);
    return "Data SGL Length Invalid";
}

std::string beyond_mdts(const endpoint& at) {
    session s = open_session(at);
    const auto blocks = static_cast<std::uint32_t>(std::min<std::uint64_t>(65536, s.blocks));
    const auto c = must_answer(*s.io, keyed(read_blocks(at, 5, 0, blocks), *s.io, 0xffffff));
    must_be(c, {sc::invalid_field, sc::data_sgl_length_invalid, sc::lba_out_of_range});
    must_still_serve(s);
    return nvme::to_string(c.status());
}

std::string must_close(const endpoint& at, std::uint8_t opcode, std::uint64_t offset, std::uint32_t key_change,
                       std::uint32_t blocks) {
    session s = open_session(at);
    nvme::command c = read_blocks(at, 5, 0, blocks);
    c.opcode = opcode;
    c.sgl =
        sgl_descriptor::keyed_data_block(s.io->address() + offset, blocks * s.block_size, s.io->rkey() ^ key_change);
    s.io->send(c);
    s.io->expect_closed();
    session next = open_session(at);
    must_still_serve(next);
    return "closed, and the next host is served";
}

constexpr auto read_opcode = nvme::to_underlying(nvme::io_opcode::read);
constexpr auto write_opcode = nvme::to_underlying(nvme::io_opcode::write);

std::string wrong_key_read(const endpoint& at) {
    return must_close(at, read_opcode, 0, 0x3c3c00, 1);
}

std::string wrong_key_write(const endpoint& at) {
    return must_close(at, write_opcode, 0, 0x3c3c00, 8);
}

std::string outside_region_read(const endpoint& at) {
    return must_close(at, read_opcode, raw_connection::memory_size - 256, 0, 1);
}

std::string outside_region_write(const endpoint& at) {
    return must_close(at, write_opcode, raw_connection::memory_size + (1 << 24), 0, 1);
}

constexpr hostile_case cases[] = {
    {"sgl-count-0", "a list of no descriptors", count_0},
    {"sgl-count-17", "a list of one descriptor too many", count_17},
    {"sgl-count-huge", "a list of 268 million descriptors", count_huge},
    {"sgl-list-ragged", "a list that ends inside a descriptor", list_ragged},
    {"sgl-list-beyond-capsule", "a list longer than the capsule", list_beyond_capsule},
    {"sgl-list-offset", "a list that begins behind the capsule", list_offset},
    {"sgl-list-offset-wraps", "a list whose offset wraps around", list_offset_wraps},
    {"sgl-list-short", "a list of less data than the command moves", list_short},
    {"sgl-list-nested", "a list that leads to itself", list_nested},
    {"sgl-list-mixed", "a list with in-capsule data in it", list_mixed},
    {"sgl-list-invalidates", "a list that asks for invalidation", list_invalidates},
    {"sgl-list-of-16", "a list as long as it may be: served", list_of_16_works},
    {"icd-offset", "in-capsule data behind the capsule", in_capsule_offset},
    {"icd-offset-wraps", "in-capsule data whose offset wraps around", in_capsule_wraps},
    {"icd-not-carried", "in-capsule data that the capsule does not carry", in_capsule_not_carried},
    {"icd-straddles", "in-capsule data that ends behind the capsule", in_capsule_straddles},
    {"icd-short", "less in-capsule data than the command moves", in_capsule_short},
    {"icd-read", "a read into the capsule", in_capsule_read},
    {"sgl-types", "each of the 256 descriptor types", every_type},
    {"keyed-short", "host memory shorter than the data", keyed_short},
    {"beyond-mdts", "65536 blocks at once", beyond_mdts},
    {"wrong-key-read", "a read to memory under a wrong key", wrong_key_read},
    {"wrong-key-write", "a write from memory under a wrong key", wrong_key_write},
    {"outside-region-read", "a read across the end of the registered memory", outside_region_read},
    {"outside-region-write", "a write from far outside the registered memory", outside_region_write},
};

}  // namespace

std::span<const hostile_case> sgl_cases() {
    return cases;
}

}  // namespace causeway::hostile
