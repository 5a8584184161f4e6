// SPDX-License-Identifier: Apache-2.0
#include "bdev_nvme/testing/controller_model.h"

#include <algorithm>

namespace causeway::bdev_nvme::testing {

using nvme::io_opcode;
using nvme::status;
namespace sc = nvme::sc;

bool controller_model::io_supported(io_opcode o) const noexcept {
    switch (o) {
    case io_opcode::flush:
    case io_opcode::write:
    case io_opcode::read: return true;
    case io_opcode::compare: return options_.oncs & nvme::oncs_compare;
    case io_opcode::write_zeroes: return options_.oncs & nvme::oncs_write_zeroes;
    case io_opcode::dataset_management: return options_.oncs & nvme::oncs_dataset_management;
    case io_opcode::verify: return options_.oncs & nvme::oncs_verify;
    case io_opcode::copy: return options_.oncs & nvme::oncs_copy;
    default: return false;
    }
}

controller_model::outcome controller_model::io(submission_queue& sq, const nvme::command& c) {
    if (!io_supported(c.as_io()))
        return {sc::invalid_opcode};
    // Halves of a pair that came whole are not seen here.
    if (c.fuse() == nvme::fuse::first || c.fuse() == nvme::fuse::second)
        return {sc::aborted_missing_fused};
    if (c.fuse() == nvme::fuse::reserved)
        return {sc::invalid_field};
    if (c.as_io() == io_opcode::flush && c.nsid == nvme::broadcast_nsid)
        return {(options_.vwc & nvme::vwc_flush_all_supported) == nvme::vwc_flush_all_supported
                    ? sc::success
                    : sc::invalid_namespace_or_format};
    auto* n = find(c.nsid);
    if (!n)
        return {sc::invalid_namespace_or_format};
    if (misdescribed_.contains(c.nsid))
        return {sc::internal_error};
    switch (c.as_io()) {
    case io_opcode::flush: return {sc::success};
    case io_opcode::write_zeroes: return write_zeroes(c, *n);
    case io_opcode::verify: return verify(c, *n);
    case io_opcode::dataset_management: return dataset_management(sq, c, *n);
    case io_opcode::copy: return copy(sq, c, *n);
    default: return read_write(sq, c, *n);
    }
}

std::uint64_t controller_model::max_bytes(std::uint8_t exponent) const noexcept {
    if (exponent == 0)
        return ~std::uint64_t{0};
    return std::uint64_t{4096} << std::min(options_.mpsmin + exponent, 50);
}

/// Metadata in a buffer of its own: contiguous, at MPTR.
status controller_model::separate_metadata(submission_queue& sq, const nvme::command& c, std::size_t bytes) {
    sq.metadata.clear();
    if (bytes == 0)
        return sc::success;
    if (c.mptr & 3)
        return sc::invalid_field;
    sq.metadata.push_back({reinterpret_cast<std::byte*>(c.mptr.value()), bytes});
    if (c.mptr != 0 && reached(sq.metadata))
        return sc::success;
    dma_faults_.fetch_add(1, std::memory_order_relaxed);
    return sc::data_transfer_error;
}

/// Read, Write and Compare.
controller_model::outcome controller_model::read_write(submission_queue& sq, const nvme::command& c,
                                                       namespace_store& n) {
    const nvme::block_command_view v{c};
    if (!n.has(v.slba(), v.blocks()))
        return {sc::lba_out_of_range};
    const bool writes = c.as_io() == io_opcode::write;
    if (writes && n.shape().write_protected)
        return {sc::namespace_is_write_protected};
    // Protection information that the controller makes and takes off itself does not travel.
    const bool own = (n.shape().dps & 7) != 0 && v.prinfo() & nvme::prinfo_pract && n.shape().metadata_bytes == 8;
    const std::size_t bytes = v.blocks() * (own ? n.block_bytes() : n.transfer_bytes());
    if (bytes > max_bytes(options_.mdts))
        return {sc::invalid_field};
    if (!options_.keeps_data || (sq.now.what == fault::short_data && !writes))
        return {sc::success};
    if (const auto s = gather_data(sq, c, bytes); !s.ok())
        return {s};
    if (const auto s = separate_metadata(sq, c, own ? 0 : v.blocks() * n.separate_metadata_bytes()); !s.ok())
        return {s};

    const auto data = n.data(v.slba(), v.blocks());
    const auto metadata = n.metadata(v.slba(), v.blocks());
    const std::size_t block = n.block_bytes(), extra = n.shape().metadata_bytes;
    // As it travels: block by block with its metadata, or all data alone.
    std::span<std::byte> travels = data;
    const bool mixed = n.shape().extended && extra > 0 && !own;
    if (mixed || c.as_io() == io_opcode::compare || sq.now.what == fault::garbage) {
        sq.scratch.resize(bytes + sq.metadata.size() * v.blocks() * extra);
        travels = std::span(sq.scratch).first(bytes);
    }
    const auto each_block = [&](auto f) {
        for (std::size_t i = 0; mixed && i < v.blocks(); ++i) {
            const auto both = travels.subspan(i * (block + extra), block + extra);
            f(both.first(block), data.subspan(i * block, block));
            f(both.subspan(block), metadata.subspan(i * extra, extra));
        }
    };
    switch (c.as_io()) {
    case io_opcode::write:
        copy_from(sq.pieces, travels);
        each_block([](auto from, auto to) { std::copy(from.begin(), from.end(), to.begin()); });
        copy_from(sq.metadata, metadata);
        return {sc::success};
    case io_opcode::read:
        each_block([](auto to, auto from) { std::copy(from.begin(), from.end(), to.begin()); });
        if (sq.now.what == fault::garbage)
            std::generate(travels.begin(), travels.end(),
                          [&] { return static_cast<std::byte>(plan_.random().next()); });
        copy_to(sq.pieces, travels);
        copy_to(sq.metadata, metadata);
        return {sc::success};
    default: {
        copy_from(sq.pieces, travels);
        bool same = mixed || std::equal(data.begin(), data.end(), travels.begin());
        each_block([&](auto a, auto b) { same = same && std::equal(a.begin(), a.end(), b.begin()); });
        const auto apart = std::span(sq.scratch).subspan(bytes);
        copy_from(sq.metadata, apart);
        same = same && std::equal(apart.begin(), apart.end(), metadata.begin());
        return {same ? sc::success : sc::compare_failure};
    }
    }
}

controller_model::outcome controller_model::write_zeroes(const nvme::command& c, namespace_store& n) {
    const nvme::block_command_view v{c};
    if (!n.has(v.slba(), v.blocks()))
        return {sc::lba_out_of_range};
    if (n.shape().write_protected)
        return {sc::namespace_is_write_protected};
    if (v.blocks() * n.block_bytes() > max_bytes(options_.wzsl))
        return {sc::invalid_field};
    if (v.deac() && !(n.shape().dlfeat & nvme::dlfeat_write_zeroes_deac))
        return {sc::invalid_field};
    if (v.deac())
        deallocating_zeroes_.add();
    if (options_.keeps_data) {
        std::ranges::fill(n.data(v.slba(), v.blocks()), std::byte{0});
        std::ranges::fill(n.metadata(v.slba(), v.blocks()), std::byte{0});
    }
    return {sc::success};
}

controller_model::outcome controller_model::verify(const nvme::command& c, namespace_store& n) {
    const nvme::block_command_view v{c};
    if (!n.has(v.slba(), v.blocks()))
        return {sc::lba_out_of_range};
    if (v.blocks() * n.block_bytes() > max_bytes(options_.vsl))
        return {sc::invalid_field};
    return {sc::success};
}

controller_model::outcome controller_model::dataset_management(submission_queue& sq, const nvme::command& c,
                                                               namespace_store& n) {
    const nvme::dsm_view v{c};
    std::array<nvme::dsm_range, nvme::dsm_max_ranges> ranges;
    const auto given = std::span(ranges).first(v.ranges());
    if (const auto s = from_host(sq, c, std::as_writable_bytes(given)); !s.ok())
        return {s};
    if (!v.deallocate())
        return {sc::success};
    if (n.shape().write_protected)
        return {sc::namespace_is_write_protected};
    if (options_.dmrl != 0 && given.size() > options_.dmrl)
        return {sc::command_size_limit_exceeded};
    std::uint64_t all = 0;
    for (const auto& r : given) {
        if (!n.has(r.slba, r.nlb))
            return {sc::lba_out_of_range};
        all += r.nlb;
        if ((options_.dmrsl != 0 && r.nlb > options_.dmrsl) || (options_.dmsl != 0 && all > options_.dmsl))
            return {sc::command_size_limit_exceeded};
    }
    for (const auto& r : given)
        if (options_.keeps_data) {
            std::ranges::fill(n.data(r.slba, r.nlb), std::byte{0});
            std::ranges::fill(n.metadata(r.slba, r.nlb), std::byte{0});
        }
    return {sc::success};
}

controller_model::outcome controller_model::copy(submission_queue& sq, const nvme::command& c, namespace_store& n) {
    const nvme::copy_view v{c};
    if (v.descriptor_format() != 0)
        return {sc::invalid_field};
    if (n.shape().write_protected)
        return {sc::namespace_is_write_protected};
    std::array<nvme::copy_range, 256> ranges;
    const auto given = std::span(ranges).first(v.ranges());
    if (given.size() > n.shape().msrc + 1u)
        return {sc::command_size_limit_exceeded};
    if (const auto s = from_host(sq, c, std::as_writable_bytes(given)); !s.ok())
        return {s};
    std::uint64_t all = 0;
    for (const auto& r : given) {
        const std::uint64_t blocks = r.nlb + 1u;
        if (!n.has(r.slba, blocks))
            return {sc::lba_out_of_range};
        all += blocks;
        if (blocks > n.shape().mssrl || all > n.shape().mcl)
            return {sc::command_size_limit_exceeded};
    }
    if (!n.has(v.sdlba(), all))
        return {sc::lba_out_of_range};
    if (!options_.keeps_data)
        return {sc::success};
    // Read as a whole first: sources may overlap the destination.
    std::vector<std::byte> data, metadata;
    for (const auto& r : given) {
        const auto d = n.data(r.slba, r.nlb + 1u);
        const auto m = n.metadata(r.slba, r.nlb + 1u);
        data.insert(data.end(), d.begin(), d.end());
        metadata.insert(metadata.end(), m.begin(), m.end());
    }
    std::ranges::copy(data, n.data(v.sdlba(), all).begin());
    std::ranges::copy(metadata, n.metadata(v.sdlba(), all).begin());
    return {sc::success};
}

/// Compare and Write. NVM Express Base Specification 2.0, "Fused Operations".
void controller_model::execute_fused(submission_queue& sq, const taken_command& t) {
    const nvme::block_command_view first{t.first}, second{*t.second};
    const bool possible = sq.qid != 0 && options_.fuses & nvme::fuses_compare_and_write &&
                          io_supported(io_opcode::compare) && t.first.as_io() == io_opcode::compare &&
                          t.second->as_io() == io_opcode::write && t.first.nsid == t.second->nsid &&
                          first.slba() == second.slba() && first.blocks() == second.blocks();
    auto* n = find(t.first.nsid);
    if (!possible || !n || misdescribed_.contains(t.first.nsid)) {
        const outcome refused{possible ? sc::invalid_namespace_or_format : sc::invalid_field};
        complete(sq, t.first, refused);
        complete(sq, *t.second, refused);
        return;
    }
    const auto compared = read_write(sq, t.first, *n);
    const auto written = compared.status.ok() ? read_write(sq, *t.second, *n) : outcome{sc::aborted_failed_fused};
    complete(sq, t.first, compared);
    complete(sq, *t.second, written);
}

}  // namespace causeway::bdev_nvme::testing
