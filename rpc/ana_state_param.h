// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "nvmf/model/ana_states.h"
#include "rpc/params.h"

#include <string>

namespace causeway::rpc {

/// An ANA state as a parameter, by the names that answers have. The established target takes the first three.
template <>
struct value_reader<nvme::ana_state> {
    static complaint read(const json& v, nvme::ana_state& to) {
        std::vector<std::string_view> names;
        for (const nvme::ana_state s :
             {nvme::ana_state::optimized, nvme::ana_state::non_optimized, nvme::ana_state::inaccessible,
              nvme::ana_state::persistent_loss, nvme::ana_state::change}) {
            names.push_back(nvmf::to_string(s));
            if (v.is_string() && v.get_ref<const std::string&>() == names.back()) {
                to = s;
                return {};
            }
        }
        return detail::must_be_one_of(names);
    }
};

}  // namespace causeway::rpc
