// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bdev/device.h"
#include "rpc/params.h"

namespace causeway::rpc {

/// A uuid as a parameter: the usual text of 36 characters.
template <>
struct value_reader<bdev::uuid> {
    static complaint read(const json& v, bdev::uuid& to) {
        if (v.is_string()) {
            if (const auto u = bdev::uuid_from(v.get_ref<const std::string&>())) {
                to = *u;
                return {};
            }
        }
        return "must be a UUID";
    }
    static value_type type() {
        return {.is = value_type::kind::string,
                .words = "UUID",
                .example = "b3f2a1c0-5d6e-4f70-8a91-0123456789ab",
                .choices = {}};
    }
};

}  // namespace causeway::rpc
