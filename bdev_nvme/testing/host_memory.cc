// SPDX-License-Identifier: Apache-2.0
#include "bdev_nvme/testing/controller_model.h"

#include <algorithm>

// What lies in the host's memory: commands' data, and the memory that the host lends.

namespace causeway::bdev_nvme::testing {

using nvme::status;
namespace sc = nvme::sc;

data_pointer_rules controller_model::rules(const submission_queue& sq) const noexcept {
    return {page_, options_.sgls, sq.qid == 0};
}

bool controller_model::reached(std::span<const piece> pieces) noexcept {
    for (const auto& p : pieces)
        if (!memory_.covers(p.data, p.bytes)) {
            dma_faults_.fetch_add(1, std::memory_order_relaxed);
            return false;
        }
    return true;
}

status controller_model::gather_data(submission_queue& sq, const nvme::command& c, std::size_t bytes) {
    const auto s = gather(c, bytes, rules(sq), sq.pieces);
    if (s.ok() && reached(sq.pieces))
        return sc::success;
    if (s.is(sc::data_transfer_error))
        dma_faults_.fetch_add(1, std::memory_order_relaxed);
    return s.ok() ? sc::data_transfer_error : s;
}

status controller_model::to_host(submission_queue& sq, const nvme::command& c, std::span<std::byte> bytes) {
    const auto s = gather_data(sq, c, bytes.size());
    if (!s.ok() || sq.now.what == fault::short_data)
        return s;
    if (sq.now.what == fault::garbage)
        for (auto& b : bytes)
            b = static_cast<std::byte>(plan_.random().next());
    copy_to(sq.pieces, bytes);
    return sc::success;
}

status controller_model::from_host(submission_queue& sq, const nvme::command& c, std::span<std::byte> bytes) {
    const auto s = gather_data(sq, c, bytes.size());
    if (s.ok())
        copy_from(sq.pieces, bytes);
    return s;
}

/// NVM Express Base Specification 2.0, "Host Memory Buffer".
controller_model::outcome controller_model::set_host_memory(submission_queue&, const nvme::command& c) {
    if (!(c.cdw11 & nvme::host_memory_enable)) {
        host_memory_.clear();
        return {sc::success};
    }
    if (!host_memory_.empty())
        return {sc::command_sequence_error};
    const std::uint64_t list = std::uint64_t{c.cdw14} << 32 | c.cdw13;
    const std::uint32_t count = c.cdw15;
    if (list == 0 || list & 0xf || count == 0 || (options_.hmmaxd != 0 && count > options_.hmmaxd))
        return {sc::invalid_field};
    std::vector<nvme::host_memory_descriptor> given(count);
    std::memcpy(static_cast<void*>(given.data()), reinterpret_cast<const void*>(list), count * sizeof given[0]);
    std::uint64_t pages = 0;
    for (const auto& d : given) {
        const std::uint64_t bytes = std::uint64_t{d.bsize} * page_;
        if (d.badd == 0 || d.badd % page_ != 0 || bytes < std::uint64_t{options_.hmminds} * nvme::host_memory_unit)
            return {sc::invalid_field};
        const piece p{reinterpret_cast<std::byte*>(d.badd.value()), bytes};
        if (!reached({&p, 1}))
            return {sc::data_transfer_error};
        pages += d.bsize;
    }
    if (pages != c.cdw12 || pages * page_ < std::uint64_t{options_.hmmin} * nvme::host_memory_unit)
        return {sc::invalid_field};
    host_memory_ = std::move(given);
    host_memory_command_ = c;
    return {sc::success};
}

controller_model::outcome controller_model::get_host_memory(submission_queue& sq, const nvme::command& c) {
    std::array<nvme::le32, 1024> attributes{};
    if (!host_memory_.empty()) {
        attributes[0] = host_memory_command_.cdw12;
        attributes[1] = host_memory_command_.cdw13;
        attributes[2] = host_memory_command_.cdw14;
        attributes[3] = host_memory_command_.cdw15;
    }
    return {to_host(sq, c, std::as_writable_bytes(std::span(attributes))), host_memory_.empty() ? 0u : 1u};
}

/// The memory is the controller's until it is reset or told otherwise: a host that takes it back too early is caught by
/// a sanitizer.
void controller_model::use_host_memory() noexcept {
    for (const auto& d : host_memory_) {
        auto* first = reinterpret_cast<std::byte*>(d.badd.value());
        auto* last = first + std::size_t{d.bsize} * page_ - 1;
        *first = *last = static_cast<std::byte>(steps_.get());
    }
}

std::uint64_t controller_model::host_memory_bytes() const noexcept {
    std::uint64_t bytes = 0;
    for (const auto& d : host_memory_)
        bytes += std::uint64_t{d.bsize} * page_;
    return bytes;
}

}  // namespace causeway::bdev_nvme::testing
