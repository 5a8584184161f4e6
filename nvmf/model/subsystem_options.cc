// SPDX-License-Identifier: Apache-2.0
#include "nvmf/model/subsystem_options.h"

#include "bdev/uuid.h"
#include "nvme/fabrics.h"
#include "nvme/nqn.h"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <string_view>

namespace causeway::nvmf {

namespace {

/// Each core keeps a pointer for every nsid up to the highest in use.
constexpr std::uint32_t max_namespaces = 65536;

/// As many as the ANA log page can count.
constexpr std::uint32_t max_ana_groups = 65535;

bool is_ascii(std::string_view text) noexcept {
    return std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c < 0x7f; });
}

/// 20 hexadecimal digits. Hosts make links of a disk's serial number and nsid, so no two subsystems have the same; but
/// one subsystem on several gateways has, or hosts would not take them for paths to the same disks.
std::string serial_number_of(std::string_view nqn) {
    const bdev::uuid hash = bdev::uuid_of_name(nqn);
    return fmt::format("{:02X}", fmt::join(hash.begin(), hash.begin() + 10, ""));
}

core::result<> check(const subsystem_options& o) {
    if (!nvme::valid_nqn(o.nqn))
        return core::fail(EINVAL, "not an NVMe qualified name", o.nqn);
    if (o.serial_number.size() > 20 || !is_ascii(o.serial_number))
        return core::fail(EINVAL, "a serial number is at most 20 ASCII characters", o.serial_number);
    if (o.model_number.empty() || o.model_number.size() > 40 || !is_ascii(o.model_number))
        return core::fail(EINVAL, "a model number is 1 to 40 ASCII characters", o.model_number);
    if (o.admin_label.size() > 256)  // an attribute of entries of the discovery log
        return core::fail(EINVAL, "an admin label is at most 256 bytes", o.nqn);
    if (o.min_cntlid < 1 || o.max_cntlid > nvme::cntlid_max || o.min_cntlid > o.max_cntlid)
        return core::fail(EINVAL, "cntlids must be from 1 to 65519, and min_cntlid not above max_cntlid", o.nqn);
    if (o.max_namespaces > max_namespaces)
        return core::fail(EINVAL, fmt::format("max_namespaces is at most {}", max_namespaces), o.nqn);
    if (o.ana_reporting && o.max_namespaces > max_ana_groups)
        return core::fail(EINVAL, fmt::format("max_namespaces is at most {} with ana_reporting", max_ana_groups),
                          o.nqn);
    if (o.wzsl > 40)  // beyond, the size in bytes overflows
        return core::fail(EINVAL, "wzsl is at most 40", o.nqn);
    return {};
}

}  // namespace

core::result<subsystem_options> completed(subsystem_options o) {
    if (o.max_namespaces == 0)
        o.max_namespaces = subsystem_options().max_namespaces;
    if (o.serial_number.empty())
        o.serial_number = serial_number_of(o.nqn);
    if (auto good = check(o); !good)
        return tl::make_unexpected(std::move(good.error()));
    return o;
}

}  // namespace causeway::nvmf
