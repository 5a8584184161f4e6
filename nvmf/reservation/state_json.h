// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bdev/uuid.h"
#include "core/result.h"
#include "nvmf/reservation/state.h"

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>

/// A reservation in JSON, with the names that SPDK's target has in its files. Pure.
namespace causeway::nvmf::reservation {

using json = nlohmann::ordered_json;

std::optional<std::uint64_t> number_of(const json& object, const char* name);
std::optional<bdev::uuid> uuid_of(const json& object, const char* name);

/// `rtype`, `holder_uuid` and `registrants`.
void add_reservation(json& object, const state& s);
/// Those three into `s`, whatever they are. EINVAL: what is wrong with them.
core::result<> read_reservation(const json& object, state& s);

}  // namespace causeway::nvmf::reservation
