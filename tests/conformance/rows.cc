// SPDX-License-Identifier: Apache-2.0
#include "tests/conformance/row.h"

namespace causeway::conformance {

std::vector<row> all_rows(const target_info& t) {
    std::vector<row> all;
    for (const auto add : {add_connect_rows, add_property_rows, add_identify_rows, add_log_page_rows, add_feature_rows,
                           add_other_admin_rows, add_io_rows, add_fused_rows, add_reservation_rows, add_ana_rows,
                           add_authentication_rows})
        add(all, t);
    return all;
}

}  // namespace causeway::conformance
