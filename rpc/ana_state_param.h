// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "nvmf/model/ana_states.h"
#include "rpc/params.h"

#include <string>

namespace causeway::rpc {

/// An ANA state as a parameter, by the names that answers have. The established target takes the first three.
template <>
struct value_reader<nvme::ana_state> {
    static constexpr nvme::ana_state all[] = {nvme::ana_state::optimized, nvme::ana_state::non_optimized,
                                              nvme::ana_state::inaccessible, nvme::ana_state::persistent_loss,
                                              nvme::ana_state::change};
    static std::vector<std::string_view> names() {
        std::vector<std::string_view> of_all;
        for (const nvme::ana_state s : all)
            of_all.push_back(nvmf::to_string(s));
        return of_all;
    }

    static complaint read(const json& v, nvme::ana_state& to) {
        for (const nvme::ana_state s : all)
            if (v.is_string() && v.get_ref<const std::string&>() == nvmf::to_string(s)) {
                to = s;
                return {};
            }
        return detail::must_be_one_of(names());
    }
    static value_type type() { return detail::choice_type(names()); }
    static json show(nvme::ana_state s) { return nvmf::to_string(s); }
};

}  // namespace causeway::rpc
