// SPDX-License-Identifier: Apache-2.0
#include "bdev_nvme/testing/controller_model.h"

#include <algorithm>

namespace causeway::bdev_nvme::testing {

using nvme::fid;
namespace sc = nvme::sc;

bool controller_model::has_feature(fid f) const noexcept {
    switch (f) {
    case fid::volatile_write_cache: return options_.vwc & nvme::vwc_present;
    case fid::host_memory_buffer: return options_.hmpre != 0;
    case fid::arbitration:
    case fid::power_management:
    case fid::temperature_threshold:
    case fid::error_recovery:
    case fid::number_of_queues:
    case fid::interrupt_coalescing:
    case fid::interrupt_vector_configuration:
    case fid::write_atomicity:
    case fid::async_event_configuration: return true;
    default: return false;
    }
}

std::uint32_t controller_model::default_feature(fid f) const noexcept {
    switch (f) {
    case fid::volatile_write_cache: return nvme::volatile_write_cache_enable;
    case fid::temperature_threshold: return options_.wctemp;
    case fid::number_of_queues: return nvme::number_of_queues(options_.queues, options_.queues);
    default: return 0;
    }
}

controller_model::outcome controller_model::set_features(submission_queue& sq, const nvme::command& c) {
    const nvme::features_view v{c};
    if (!has_feature(v.fid()))
        return {sc::invalid_field};
    if (v.save())
        return {options_.oncs & nvme::oncs_save_select ? sc::feature_not_saveable : sc::invalid_field};
    switch (v.fid()) {
    case fid::number_of_queues: {
        const std::uint32_t submission = v.value() & 0xffff;
        const std::uint32_t completion = v.value() >> 16;
        if (submission == 0xffff || completion == 0xffff)
            return {sc::invalid_field};
        if (submission_queues() + completion_queues() > 0)
            return {sc::command_sequence_error};
        const std::uint32_t most = options_.queues;
        const auto given = nvme::number_of_queues(std::min(submission + 1, most), std::min(completion + 1, most));
        features_[v.fid()] = given;
        return {sc::success, given};
    }
    case fid::host_memory_buffer: return set_host_memory(sq, c);
    case fid::interrupt_coalescing:
    case fid::interrupt_vector_configuration:
    case fid::power_management:
        if (v.value() != 0)
            return {sc::invalid_field};
        break;
    default: break;
    }
    features_[v.fid()] = v.value();
    return {sc::success};
}

controller_model::outcome controller_model::get_features(submission_queue& sq, const nvme::command& c) {
    const nvme::features_view v{c};
    if (!has_feature(v.fid()))
        return {sc::invalid_field};
    switch (v.select()) {
    case nvme::feature_select::current: {
        if (v.fid() == fid::host_memory_buffer)
            return get_host_memory(sq, c);
        const auto set = features_.find(v.fid());
        return {sc::success, set == features_.end() ? default_feature(v.fid()) : set->second};
    }
    case nvme::feature_select::capabilities: return {sc::success, nvme::feature_changeable};
    // What cannot be saved is as it was made.
    case nvme::feature_select::defaults:
    case nvme::feature_select::saved: return {sc::success, default_feature(v.fid())};
    default: return {sc::invalid_field};
    }
}

}  // namespace causeway::bdev_nvme::testing
