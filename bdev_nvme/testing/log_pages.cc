// SPDX-License-Identifier: Apache-2.0
#include "bdev_nvme/testing/controller_model.h"

#include "nvme/text.h"

#include <algorithm>

namespace causeway::bdev_nvme::testing {
namespace {

namespace sc = nvme::sc;

template <class T>
std::vector<std::byte> bytes_of(const T& page) {
    const auto bytes = std::as_bytes(std::span(&page, 1));
    return {bytes.begin(), bytes.end()};
}

/// More is asked for than any page of ours has, or any driver reads.
constexpr std::uint64_t max_log_bytes = 1 << 20;
constexpr std::size_t max_errors = 4;

}  // namespace

controller_model::outcome controller_model::get_log_page(submission_queue& sq, const nvme::command& c) {
    const nvme::get_log_page_view v{c};
    std::vector<std::byte> page;
    switch (v.lid()) {
    case nvme::lid::error_information: {
        const std::lock_guard guard(errors_lock_);
        for (std::size_t i = 0; i < max_errors; ++i) {
            const auto entry = bytes_of(i < errors_.size() ? errors_[i] : nvme::error_information_entry{});
            page.insert(page.end(), entry.begin(), entry.end());
        }
        break;
    }
    case nvme::lid::smart: {
        if (c.nsid != 0 && c.nsid != nvme::broadcast_nsid)
            return {sc::invalid_field};
        const auto threshold = features_.find(nvme::fid::temperature_threshold);
        const std::uint32_t limit = threshold == features_.end() ? options_.wctemp : threshold->second & 0xffff;
        nvme::smart_log now = health_;
        if (now.composite_temperature >= limit)
            now.critical_warning |= nvme::critical_warning_temperature;
        if (now.available_spare < now.available_spare_threshold)
            now.critical_warning |= nvme::critical_warning_spare;
        now.host_read_commands.low = io_commands(nvme::io_opcode::read);
        now.host_write_commands.low = io_commands(nvme::io_opcode::write);
        now.error_log_entries.low = error_count_;
        page = bytes_of(now);
        break;
    }
    case nvme::lid::firmware_slot: {
        nvme::firmware_slot_log slots{};
        slots.afi = 1;
        nvme::copy_padded(slots.frs[0], options_.firmware);
        page = bytes_of(slots);
        break;
    }
    case nvme::lid::changed_namespace_list: {
        nvme::changed_namespace_list list{};
        if (changed_.size() > std::size(list.nsid))
            list.nsid[0] = nvme::broadcast_nsid;
        else
            std::copy(changed_.begin(), changed_.end(), list.nsid);
        page = bytes_of(list);
        if (!v.rae())
            changed_.clear();
        break;
    }
    case nvme::lid::commands_effects: {
        nvme::commands_effects_log effects{};
        using enum nvme::admin_opcode;
        for (auto o : {delete_io_sq, create_io_sq, get_log_page, delete_io_cq, create_io_cq, identify, abort,
                       set_features, get_features, async_event_request})
            effects.admin[to_underlying(o)] = nvme::effect_supported;
        if (options_.oacs & nvme::oacs_doorbell_buffer)
            effects.admin[to_underlying(doorbell_buffer_config)] = nvme::effect_supported;
        for (unsigned o = 0; o < std::size(effects.io); ++o)
            if (io_supported(static_cast<nvme::io_opcode>(o)))
                effects.io[o] = nvme::effect_supported;
        page = bytes_of(effects);
        break;
    }
    default: return {sc::invalid_log_page};
    }
    const bool has_offset = options_.lpa & nvme::lpa_extended_data;
    if (v.offset() != 0 && (!has_offset || v.offset() > page.size() || v.offset() % 4 != 0))
        return {sc::invalid_field};
    if (v.length_bytes() > max_log_bytes)
        return {sc::invalid_field};
    if (alter_log_page_)
        alter_log_page_(v.lid(), page);
    page.erase(page.begin(), page.begin() + static_cast<std::ptrdiff_t>(v.offset()));
    page.resize(v.length_bytes());
    const auto s = to_host(sq, c, page);
    if (s.ok() && !v.rae())
        events_.page_read(v.lid());
    return {s};
}

void controller_model::log_error(const submission_queue& sq, const nvme::command& c, nvme::status s) {
    const std::lock_guard guard(errors_lock_);
    nvme::error_information_entry entry{};
    entry.error_count = ++error_count_;
    entry.sqid = sq.qid;
    entry.cid = c.cid;
    entry.status_word = s.to_word();
    entry.parameter_error_location = nvme::parameter_error_location_none;
    entry.nsid = c.nsid;
    errors_.push_front(entry);
    if (errors_.size() > max_errors)
        errors_.pop_back();
}

void controller_model::raise(nvme::async_event_type type, std::uint8_t information, nvme::lid page) {
    const auto set = features_.find(nvme::fid::async_event_configuration);
    const std::uint32_t wanted = set == features_.end() ? 0 : set->second;
    if (type == nvme::async_event_type::notice && information < 8 && !(wanted >> 8 & 1u << information))
        return;
    events_.raise(nvme::async_event_dw0(type, information, to_underlying(page)));
}

void controller_model::namespace_changed(std::uint32_t nsid) {
    changed_.insert(nsid);
    raise(nvme::async_event_type::notice, to_underlying(nvme::notice_event::namespace_attribute_changed),
          nvme::lid::changed_namespace_list);
}

/// NVM Express Base Specification 2.0, "Asynchronous Event Information - SMART / Health Status": three bits of warnings
/// have events of their own, the others are matters of reliability.
void controller_model::warn(std::uint8_t critical_warnings) {
    health_.critical_warning |= critical_warnings;
    const auto set = features_.find(nvme::fid::async_event_configuration);
    const std::uint32_t wanted = set == features_.end() ? 0 : set->second & nvme::async_config_smart_mask;
    const auto told = static_cast<std::uint8_t>(critical_warnings & wanted);
    const auto tell = [this](nvme::smart_event e) {
        raise(nvme::async_event_type::smart, to_underlying(e), nvme::lid::smart);
    };
    if (told & nvme::critical_warning_temperature)
        tell(nvme::smart_event::temperature_threshold);
    if (told & nvme::critical_warning_spare)
        tell(nvme::smart_event::spare_below_threshold);
    if (told & ~(nvme::critical_warning_temperature | nvme::critical_warning_spare))
        tell(nvme::smart_event::subsystem_reliability);
}

}  // namespace causeway::bdev_nvme::testing
