// SPDX-License-Identifier: Apache-2.0
#include "nvmf/model/discovery_page.h"

#include <algorithm>
#include <cstring>

namespace causeway::nvmf {

namespace {

using nvme::discovery_log_entry;
using nvme::discovery_log_header;
static_assert(sizeof(discovery_log_header) == sizeof(discovery_log_entry), "the header takes the place of an entry");

/// EXATLEN is a multiple of 4.
std::size_t padded(std::size_t length) noexcept {
    return (length + 3) / 4 * 4;
}

std::size_t extended_size(const discovery_entry& e) noexcept {
    const std::size_t label =
        e.admin_label.empty() ? 0 : sizeof(nvme::extended_attribute_header) + padded(e.admin_label.size());
    return sizeof(discovery_log_entry) + sizeof(nvme::extended_discovery_entry_tail) + label;
}

/// What follows the fixed part of an extended entry.
std::vector<std::byte> extension_of(const discovery_entry& e) {
    std::vector<std::byte> all(extended_size(e) - sizeof(discovery_log_entry));
    nvme::extended_discovery_entry_tail tail{};
    tail.tel = static_cast<std::uint32_t>(extended_size(e));
    tail.numexat = static_cast<std::uint16_t>(e.admin_label.empty() ? 0 : 1);
    std::memcpy(all.data(), &tail, sizeof tail);
    if (e.admin_label.empty())
        return all;
    nvme::extended_attribute_header head{};
    head.exattype = nvme::to_underlying(nvme::extended_attribute_type::admin_label);
    head.exatlen = static_cast<std::uint16_t>(padded(e.admin_label.size()));
    std::memcpy(all.data() + sizeof tail, &head, sizeof head);
    std::memcpy(all.data() + sizeof tail + sizeof head, e.admin_label.data(), e.admin_label.size());
    return all;
}

/// The part of `bytes`, which lie at `at` of the page, that is within [offset, offset + into.size()).
void copy_overlap(std::span<std::byte> into, std::uint64_t offset, std::span<const std::byte> bytes, std::uint64_t at) {
    const std::uint64_t begin = std::max(offset, at);
    const std::uint64_t end = std::min(offset + into.size(), at + bytes.size());
    if (begin < end)
        std::memcpy(&into[begin - offset], &bytes[begin - at], end - begin);
}

template <class T>
std::span<const std::byte> bytes_of(const T& t) noexcept {
    return std::as_bytes(std::span(&t, 1));
}

}  // namespace

bool discovery_entry::operator==(const discovery_entry& other) const noexcept {
    return std::memcmp(&fixed, &other.fixed, sizeof fixed) == 0 && admin_label == other.admin_label;
}

nvme::address_family family_of(const transport_address& a) noexcept {
    if (a.adrfam == "IPv4")
        return nvme::address_family::ipv4;
    if (a.adrfam == "IPv6")
        return nvme::address_family::ipv6;
    return nvme::address_family::intra_host;
}

discovery_page::discovery_page(std::uint64_t generation, std::vector<std::shared_ptr<const discovery_entry>> entries)
    : generation_(generation), entries_(std::move(entries)) {
    extended_begins_.reserve(entries_.size() + 1);
    std::size_t at = sizeof(discovery_log_header);
    for (const auto& e : entries_) {
        extended_begins_.push_back(static_cast<std::uint32_t>(at));
        at += extended_size(*e);
    }
    extended_begins_.push_back(static_cast<std::uint32_t>(at));
}

std::uint64_t discovery_page::begin_of(std::size_t entry, bool extended) const noexcept {
    return extended ? extended_begins_[entry] : sizeof(discovery_log_header) + entry * sizeof(discovery_log_entry);
}

/// The first that ends behind `offset`.
std::size_t discovery_page::entry_at(std::uint64_t offset, bool extended) const noexcept {
    if (offset < sizeof(discovery_log_header))
        return 0;
    if (!extended)
        return (offset - sizeof(discovery_log_header)) / sizeof(discovery_log_entry);
    const auto behind = std::upper_bound(extended_begins_.begin(), extended_begins_.end(), offset);
    return static_cast<std::size_t>(behind - extended_begins_.begin()) - 1;
}

void discovery_page::copy(std::span<std::byte> into, std::uint64_t offset, bool extended) const {
    discovery_log_header header{};
    header.genctr = generation_;
    header.numrec = entries_.size();
    if (extended) {
        header.dlpf = nvme::discovery_log_extended_entries;
        header.tdlpl = extended_begins_.back();
    }
    copy_overlap(into, offset, bytes_of(header), 0);
    for (std::size_t i = entry_at(offset, extended); i < entries_.size(); ++i) {
        const std::uint64_t at = begin_of(i, extended);
        if (at >= offset + into.size())
            break;
        copy_overlap(into, offset, bytes_of(entries_[i]->fixed), at);
        if (extended)
            copy_overlap(into, offset, extension_of(*entries_[i]), at + sizeof(discovery_log_entry));
    }
}

}  // namespace causeway::nvmf
